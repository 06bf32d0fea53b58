// A service seen as slots, and what every part of its plan works with.
export { constraintsOf, fits, isUpToDate } from './fitness.ts';
export { createTask, desire, type NewTaskOptions } from './new-task.ts';
export { PlanContext, type ServicePlan, type ServiceView } from './plan-context.ts';
export {
  restartRules,
  stopLimitMs,
  updateRules,
  type RestartRules,
  type UpdateRules,
} from './service-defaults.ts';
export { isRunning, nodeIsLost, slotsOf, type Slot } from './slots.ts';
