// What a deploy creates, changes and removes.
export {
  type ExistingObjects,
  type KnownIds,
  type WirePayload,
  bindIds,
  idsOf,
} from './existing-objects.ts';
export {
  type PlanStep,
  type StackPlan,
  contentChanged,
  imagesToResolve,
  planStack,
  planText,
} from './stack-plan.ts';
