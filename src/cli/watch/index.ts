// What the CLI shows while something goes on: progress, convergence, logs.
export { converge, convergeAll } from './converge.ts';
export { printLogs } from './logs.ts';
