// Stack files: Compose's notation in, a plan of Engine API calls out. Loaded only by the commands that
// read stack files, since YAML and schemas take their time to load.
export { convertStack, type DesiredStack } from './convert-stack.ts';
export { parseDotEnv } from './env-file.ts';
export type { Environment } from './interpolate.ts';
export { filesOf, loadStack, type Loaded, type StackFile } from './load.ts';
export type { StackModel } from './model.ts';
export {
  bindIds,
  idsOf,
  type ExistingObjects,
  type KnownIds,
  type WirePayload,
} from './existing-objects.ts';
export {
  contentChanged,
  imagesToResolve,
  planStack,
  planText,
  type PlanStep,
  type StackPlan,
} from './stack-plan.ts';
