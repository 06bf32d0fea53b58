// This machine's engine, under Docker's names.
import type { Metric } from './metric.ts';

export const ENGINE_METRICS: readonly Metric[] = [
  {
    name: 'engine_daemon_engine_cpus_cpus',
    help: 'CPUs of the machine.',
    type: 'gauge',
    read: ({ facts }) => [{ value: facts.cpus }],
  },
  {
    name: 'engine_daemon_engine_memory_bytes',
    help: 'Memory of the machine.',
    type: 'gauge',
    read: ({ facts }) => [{ value: facts.memoryBytes }],
  },
  {
    name: 'engine_daemon_container_states_containers',
    help: 'Containers by state.',
    type: 'gauge',
    read: (backend) => {
      const { running, stopped } = backend.containerCounts();
      return [
        { labels: { state: 'paused' }, value: 0 },
        { labels: { state: 'running' }, value: running },
        { labels: { state: 'stopped' }, value: stopped },
      ];
    },
  },
];
