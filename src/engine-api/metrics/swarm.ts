// The cluster as this node's manager sees it, under SwarmKit's names; workers know no more than that
// they are nodes.
import type { ClusterQueries } from '../../manager/index.ts';
import { TASK_STATE } from '../../model/index.ts';
import type { EngineBackend } from '../backend/index.ts';
import type { Metric, Sample } from './metric.ts';

const NODE_STATES = ['unknown', 'down', 'ready', 'disconnected'];

function queriesOf(backend: EngineBackend): ClusterQueries | undefined {
  return backend.cluster()?.manager?.queries;
}

/** How many there are of each; those of which there are none as well. */
function counted(label: string, names: readonly string[], found: Iterable<string>): Sample[] {
  const counts = new Map(names.map((name) => [name, 0]));
  for (const name of found) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, value]) => ({ labels: { [label]: name }, value }));
}

const total = (kind: 'service' | 'network' | 'secret' | 'config'): Metric => ({
  name: `swarm_manager_${kind}s_total`,
  help: `Number of ${kind}s.`,
  type: 'gauge',
  read: (backend) => {
    const queries = queriesOf(backend);
    return queries && [{ value: queries.count(kind) }];
  },
});

export const SWARM_METRICS: readonly Metric[] = [
  {
    name: 'swarm_node_info',
    help: 'The node and its cluster.',
    type: 'gauge',
    read: (backend) => {
      const cluster = backend.cluster();
      if (cluster === undefined) return undefined;
      const { clusterId, nodeId } = cluster;
      return [{ labels: { swarm_id: clusterId, node_id: nodeId }, value: 1 }];
    },
  },
  {
    name: 'swarm_node_manager',
    help: 'Whether this node is a manager.',
    type: 'gauge',
    read: (backend) => [{ value: Number(backend.cluster()?.role === 'manager') }],
  },
  {
    name: 'swarm_manager_leader',
    help: 'Whether this manager leads.',
    type: 'gauge',
    read: (backend) => {
      const cluster = backend.cluster();
      return cluster?.manager && [{ value: Number(cluster.manager.leaderId === cluster.nodeId) }];
    },
  },
  {
    name: 'swarm_manager_nodes',
    help: 'Nodes by state.',
    type: 'gauge',
    read: (backend) => {
      const nodes = queriesOf(backend)?.list('node');
      return (
        nodes &&
        counted(
          'state',
          NODE_STATES,
          nodes.map(({ status }) => status.state),
        )
      );
    },
  },
  {
    name: 'swarm_manager_tasks_total',
    help: 'Tasks by state.',
    type: 'gauge',
    read: (backend) => {
      const tasks = queriesOf(backend)?.tasks();
      const states = Object.keys(TASK_STATE);
      return (
        tasks &&
        counted(
          'state',
          states,
          tasks.map(({ status }) => status.state),
        )
      );
    },
  },
  total('service'),
  total('network'),
  total('secret'),
  total('config'),
];
