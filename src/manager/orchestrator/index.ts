// The loops that decide which tasks there are.
export { ConstraintEnforcer } from './constraint-enforcer.ts';
export { Orchestrator } from './orchestrator.ts';
export { TaskReaper } from './task-reaper.ts';
