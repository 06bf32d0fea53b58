// Which hosts may still send something new to a task that is to stop. Pure; see endpoint-drains.ts.
import { TASK_STATE, isPredefinedNetwork, isTerminal, type Task } from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';

/** Up to which index a host has applied its set; undefined when it has not said anything yet. */
export type AppliedIndex = (nodeId: string) => number | undefined;

/**
 * Every host that is told the endpoints of one of the task's networks: those with a task there, and
 * all of them for ingress. Hosts that are down are not waited for: nothing reaches a task through them
 * that would not fail anyway.
 */
export function hostsThatKnow(view: StoreView, task: Task): Set<string> {
  const hosts = new Set<string>();
  for (const { networkId } of task.networks) {
    if (isPredefinedNetwork(networkId)) continue;
    if (view.get('network', networkId)?.spec.Ingress === true) {
      for (const node of view.all('node')) hosts.add(node.id);
      break;
    }
    for (const { nodeId, status } of view.tasksOfNetwork(networkId)) {
      const here = TASK_STATE[status.state] >= TASK_STATE.assigned && !isTerminal(status.state);
      if (here && nodeId !== undefined) hosts.add(nodeId);
    }
  }
  for (const id of hosts) {
    const node = view.get('node', id);
    if (node === undefined || node.status.state === 'down') hosts.delete(id);
  }
  return hosts;
}

/** The hosts that have not yet said that they act on the desired state that ends the task. */
export function missingHosts(view: StoreView, task: Task, applied: AppliedIndex): Set<string> {
  const since = task.stoppingSince ?? task.version;
  const missing = new Set<string>();
  for (const id of hostsThatKnow(view, task)) {
    if ((applied(id) ?? -1) < since) missing.add(id);
  }
  return missing;
}
