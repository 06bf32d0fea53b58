// The contract of all control loops and their only runner.
export { ControlLoopRunner } from './control-loop-runner.ts';
export {
  Agenda,
  type Budget,
  type ControlLoop,
  Faults,
  type Plan,
  type Planned,
  planAgenda,
  visitAll,
} from './control-loop.ts';
