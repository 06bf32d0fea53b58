// The contract of all control loops and their only runner.
export { ControlLoopRunner } from './control-loop-runner.ts';
export { Agenda, planAgenda, type Planned } from './agenda.ts';
export type { Budget, ControlLoop, Plan } from './control-loop.ts';
export { Faults, SlicedWalk, visitAll } from './faults.ts';
