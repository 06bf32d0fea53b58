// A service seen as slots, and what every part of its plan works with.
export { constraintsOf, fitness, type Fitness } from './fitness.ts';
export { createTask, desire, type NewTaskOptions } from './new-task.ts';
export {
  PlanContext,
  type PlanOptions,
  type ServicePlan,
  type ServiceView,
} from './plan-context.ts';
export {
  restartRules,
  stopLimitMs,
  updateRules,
  type RestartRules,
  type UpdateRules,
} from './service-defaults.ts';
export { isRunning, nodeIsLost, slotOf, type Slot } from './slots.ts';
