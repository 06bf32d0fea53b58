// What can be measured of a node and its cluster: a file for each part, and the list of all.
import { ENGINE_METRICS } from './engine.ts';
import type { Metric } from './metric.ts';
import { PROCESS_METRICS } from './process.ts';
import { SWARM_METRICS } from './swarm.ts';

export const METRICS: readonly Metric[] = [...ENGINE_METRICS, ...SWARM_METRICS, ...PROCESS_METRICS];
export { metricsText, type Metric, type Sample } from './metric.ts';
