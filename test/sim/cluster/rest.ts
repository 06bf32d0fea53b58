// What is still missing until a mended cluster is at rest: the conditions of the liveness check, each
// as a sentence that names what it waits for.
import { isTerminal, type Service, type Task } from '../../../src/model/index.ts';
import type { Manager, StoreView } from '../../../src/manager/index.ts';
import type { Machine } from './machine.ts';
import type { World } from './world.ts';

/** Machines that belong to the cluster. */
export function members(world: World): Machine[] {
  return world.machines.filter(({ retired }) => !retired);
}

/** Until all managers follow one leader, and all machines are nodes that are ready. */
export function missingForCluster(world: World): string | undefined {
  const leader = world.leader();
  return missingOfManagers(world) ?? (leader && missingOfMachines(world, leader.view));
}

/** Until all managers follow one leader and know what it knows. */
export function missingOfManagers(world: World): string | undefined {
  const managers = world.managers();
  const leaders = managers.filter(({ manager }) => manager.consensus.status.isLeader);
  const [leader] = leaders;
  if (leaders.length !== 1 || leader === undefined) return `there are ${leaders.length} leaders`;
  const { status } = leader.manager.consensus;
  for (const { machine, manager } of managers) {
    if (manager.consensus.status.leader?.raftId !== status.raftId) {
      return `manager ${machine.host} does not follow ${leader.machine.host}`;
    }
    if (!manager.caughtUp) return `manager ${machine.host} has not caught up`;
    if (manager.view.index !== leader.manager.view.index) {
      return `manager ${machine.host} is at index ${manager.view.index}`;
    }
  }
  return undefined;
}

function missingOfMachines(world: World, view: StoreView): string | undefined {
  for (const { host, daemon, nodeId } of members(world)) {
    if (daemon === undefined || nodeId === undefined) return `machine ${host} is not up`;
    const node = view.get('node', nodeId);
    if (node === undefined) return `machine ${host} is no node`;
    if (node.status.state !== 'ready') return `node ${host} is ${node.status.state}`;
    if (daemon.agent?.connected !== true) return `the agent of ${host} is not connected`;
    const runs = daemon.manager === undefined ? 'worker' : 'manager';
    if (runs !== node.spec.Role || node.role !== node.spec.Role) {
      return `node ${host} is to be a ${node.spec.Role}, runs as ${runs}, certified as ${node.role}`;
    }
    if ((node.manager !== undefined) !== (runs === 'manager')) return `${host} is half a manager`;
  }
  return undefined;
}

/** Until every update has been finished, paused or rolled back. */
export function missingForUpdates(view: StoreView): string | undefined {
  for (const { id, spec, endpoint, updateStatus } of view.all('service')) {
    const state = updateStatus?.state;
    if (state === 'updating' || state === 'rollback_started') {
      // Without room, or a free address, the update waits until somebody makes it.
      const waits = ({ status }: Task): boolean =>
        (status.state === 'pending' || status.state === 'new') && status.error !== undefined;
      if (endpoint.error !== undefined || [...view.tasksOfService(id)].some(waits)) continue;
      const tasks = [...view.tasksOfService(id)].map((task) => named(view, task)).join('; ');
      return `the update of service ${spec.Name} is ${state}: ${updateStatus?.message ?? ''}: ${tasks}`;
    }
  }
  return undefined;
}

/** Until everything runs as wanted, and nothing else does. */
export function missingForRest(world: World, { view }: Manager): string | undefined {
  for (const network of view.all('network')) {
    if (network.vni === undefined) return `network ${network.spec.Name} has no VNI`;
  }
  for (const service of view.all('service')) {
    const missing = missingOfService(view, service);
    if (missing !== undefined) return missing;
  }
  for (const task of view.all('task')) {
    const { state } = task.status;
    if (isTerminal(state)) continue;
    if (task.attachment === undefined && view.get('service', task.serviceId) === undefined)
      return `${named(view, task)} has no service`;
    if (state !== 'running' || task.desiredState !== 'running') return named(view, task);
  }
  for (const machine of world.machines) {
    const missing = missingOfContainers(view, machine);
    if (missing !== undefined) return missing;
  }
  return undefined;
}

function missingOfService(view: StoreView, service: Service): string | undefined {
  const { Name, Mode } = service.spec;
  if (service.endpoint.error !== undefined) return `service ${Name}: ${service.endpoint.error}`;
  if (service.endpoint.allocatedFor < service.specVersion) return `service ${Name} not allocated`;
  const nodes = [...view.all('node')].filter(
    ({ spec, status }) => spec.Availability === 'active' && status.state === 'ready',
  );
  const wanted = Mode.Replicated?.Replicas ?? nodes.length;
  const running = [...view.tasksOfService(service.id)].filter(
    (task) =>
      task.status.state === 'running' &&
      task.desiredState === 'running' &&
      task.revisionId === service.revisionId,
  );
  if (running.length === wanted) return undefined;
  const all = [...view.tasksOfService(service.id)].filter(
    ({ status }) => !isTerminal(status.state),
  );
  const others = all.map((task) => named(view, task)).join('; ') + nodes.map(({ id }) => id).join();
  return `service ${Name} (${service.id}) has ${running.length} of ${wanted} tasks: ${others}`;
}

function missingOfContainers(view: StoreView, machine: Machine): string | undefined {
  for (const { taskId, state } of machine.runtime.containers.values()) {
    const task = view.get('task', taskId);
    if (task === undefined) return `machine ${machine.host} has an orphan, container ${taskId}`;
    if (state === 'running' && task.status.state !== 'running') {
      return `container ${taskId} runs on ${machine.host}, its task is ${task.status.state}`;
    }
  }
  const { nodeId } = machine;
  if (nodeId === undefined || machine.retired) return undefined;
  for (const task of view.tasksOfNode(nodeId)) {
    if (task.attachment !== undefined || task.status.state !== 'running') continue;
    if (machine.runtime.containers.get(task.id)?.state !== 'running') {
      return `${named(view, task)} has no running container on ${machine.host}`;
    }
  }
  return undefined;
}

function named(view: StoreView, task: Task): string {
  const service = view.get('service', task.serviceId)?.spec.Name ?? task.serviceId;
  const { state, error, message } = task.status;
  return `task ${task.id} of ${service}.${task.slot} on ${task.nodeId ?? 'no node'} is ${state}, wanted ${task.desiredState} (${error ?? message})`;
}
