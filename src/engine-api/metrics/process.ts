// The daemon's own process, under the names that all Prometheus clients give it.
import type { Metric } from './metric.ts';

export const PROCESS_METRICS: readonly Metric[] = [
  {
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the daemon.',
    type: 'counter',
    read: () => {
      const { user, system } = process.cpuUsage();
      return [{ value: (user + system) / 1e6 }];
    },
  },
  {
    name: 'process_resident_memory_bytes',
    help: 'Memory of the daemon.',
    type: 'gauge',
    read: () => [{ value: process.memoryUsage.rss() }],
  },
];
