// Stack files: Compose's notation in, a plan of Engine API calls out. Loaded only by the commands that
// read stack files, since YAML and schemas take their time to load.
export { convertStack, type DesiredStack } from './convert/index.ts';
export { parseDotEnv, type Environment, type StackModel } from './source/index.ts';
export { filesOf, loadStack, type Loaded, type StackFile } from './load/index.ts';
export {
  bindIds,
  contentChanged,
  idsOf,
  imagesToResolve,
  planStack,
  planText,
  type ExistingObjects,
  type KnownIds,
  type PlanStep,
  type StackPlan,
  type WirePayload,
} from './plan/index.ts';
