// `network trace`: where the way from one task to another breaks.
export { judgeTrace, reportOf, type Findings, type HostFinding } from './judge.ts';
export { planTrace, type TracedTask, type TracePlan, type TraceWay } from './plan.ts';
