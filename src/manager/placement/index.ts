// Makes the pure scheduler a control loop.
export { SchedulerLoop } from './scheduler-loop.ts';
