// Stack files as text: positions, variables, merging, env files.
export { parseDotEnv, parseEnvFile } from './env-file.ts';
export { type Environment, interpolate } from './interpolate.ts';
export { mergeValues } from './merge.ts';
export {
  type ComposeAmounts,
  type ComposeAttachment,
  type ComposeDeploy,
  type ComposeEnvFile,
  type ComposeHealthcheck,
  type ComposeMount,
  type ComposeNetwork,
  type ComposePayload,
  type ComposePayloadReference,
  type ComposePort,
  type ComposeService,
  type ComposeUpdateConfig,
  type StackModel,
  nameInCluster,
  predefinedMode,
} from './model.ts';
export { nearest, suggestion } from './nearest.ts';
export { type Path, Source, StackFileError, parseSource } from './source.ts';
