// The overlay at rest: in every network of every host a route for each endpoint and for nothing else,
// a namespace for each task and for nothing else; and nobody is sent to a task that stops. (docs/design/overlay.md.)
import type { Manager, StoreView } from '../../../../src/manager/index.ts';
import {
  desiredAlive,
  isTerminal,
  type DispatcherMessage,
  type Network,
  type Node,
  type TaskEndpointAssignment,
} from '../../../../src/model/index.ts';
import {
  networkNamespace,
  taskLink,
  taskNamespace,
  tunnelAddress,
} from '../../../../src/overlay/addressing/addressing.ts';
import type { Machine } from '../machine.ts';
import { members } from '../rest.ts';
import type { Checker, World } from '../world.ts';

export class OverlayChecker implements Checker {
  readonly name = 'overlay';
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Who gets new connections runs, and is not asked to stop. */
  sent({ view }: Manager, nodeId: string, { assignments }: DispatcherMessage): void {
    for (const { kind, body } of assignments?.updates ?? []) {
      if (kind !== 'taskEndpoint') continue;
      const { taskId, active } = JSON.parse(body) as TaskEndpointAssignment;
      const task = view.get('task', taskId);
      if (!active || task === undefined) continue;
      if (task.status.state === 'running' && desiredAlive(task)) continue;
      const what = `${task.status.state}, wanted ${task.desiredState}`;
      this.#world.fail(
        this.name,
        `node ${nodeId} is told that task ${taskId} serves: it is ${what}`,
      );
    }
  }

  settled({ view }: Manager): void {
    for (const machine of members(this.#world)) {
      const node = view.get('node', machine.nodeId ?? '');
      if (node === undefined) continue;
      this.#checkNamespaces(view, machine);
      for (const network of view.all('network')) this.#checkRoutes(view, machine, node, network);
    }
  }

  #checkNamespaces(view: StoreView, machine: Machine): void {
    const existing = new Set(machine.kernel.namespaces.keys());
    const wanted = new Set<string>();
    for (const task of view.tasksOfNode(machine.nodeId ?? '')) {
      if (!isTerminal(task.status.state)) wanted.add(taskNamespace(task.id));
    }
    for (const { overlayId } of machine.userRuntime.running) wanted.add(taskNamespace(overlayId));
    for (const name of wanted) {
      if (!existing.has(name))
        this.#world.fail(this.name, `${machine.host} lacks namespace ${name}`);
    }
    // A task that has ended keeps its namespace until it is forgotten.
    const kept = new Set(
      [...view.tasksOfNode(machine.nodeId ?? '')].map(({ id }) => taskNamespace(id)),
    );
    const known = new Set([...view.all('network')].map(({ id }) => networkNamespace(id)));
    for (const { networks } of view.tasksOfNode(machine.nodeId ?? '')) {
      for (const { networkId } of networks) known.add(networkNamespace(networkId));
    }
    known.add(networkNamespace('bridge'));
    for (const name of existing) {
      if (name === '' || name === 'scratch' || wanted.has(name) || kept.has(name)) continue;
      if (known.has(name) || name === 'host') continue;
      this.#world.fail(this.name, `${machine.host} still has namespace ${name}`);
    }
  }

  #checkRoutes(view: StoreView, machine: Machine, node: Node, network: Network): void {
    const namespace = networkNamespace(network.id);
    const tasks = [...view.tasksOfNetwork(network.id)].filter((t) => !isTerminal(t.status.state));
    const here = tasks.some((task) => task.nodeId === node.id);
    const objects = machine.kernel.namespaces.get(namespace);
    if (!here && network.spec.Ingress !== true) return;
    if (objects === undefined) {
      return this.#world.fail(this.name, `${machine.host} lacks network ${network.spec.Name}`);
    }
    const wanted = new Map<string, string>();
    for (const task of tasks) {
      const host = view.get('node', task.nodeId ?? '');
      const own = task.networks.find(({ networkId }) => networkId === network.id);
      const address = own?.addresses[0]?.split('/')[0] ?? '';
      const way =
        task.nodeId === node.id
          ? `dev ${taskLink(task.id)}`
          : `via ${tunnelAddress(host?.number ?? 0)}`;
      wanted.set(`${address}/32`, way);
    }
    const ended = new Set([...view.tasksOfNode(node.id)].map(({ id }) => taskLink(id)));
    const actual = new Map<string, string>();
    for (const object of objects.values()) {
      if (object.kind !== 'route' || !object.destination.endsWith('/32')) continue;
      const inside = network.subnets.some(({ subnet }) => isWithin(subnet, object.destination));
      if (!inside || object.device === undefined) continue;
      const { via, device } = object;
      if (via === undefined && ended.has(device) && !wanted.has(object.destination)) continue;
      actual.set(object.destination, via === undefined ? `dev ${device}` : `via ${via}`);
    }
    this.#compare(`${machine.host}, network ${network.spec.Name}`, wanted, actual);
  }

  #compare(
    where: string,
    wanted: ReadonlyMap<string, string>,
    actual: ReadonlyMap<string, string>,
  ): void {
    for (const [destination, way] of wanted) {
      if (actual.get(destination) === way) continue;
      const has = actual.get(destination) ?? 'none';
      this.#world.fail(this.name, `${where}: the route to ${destination} is ${has}, not ${way}`);
    }
    for (const destination of actual.keys()) {
      if (wanted.has(destination)) continue;
      this.#world.fail(this.name, `${where}: there is a route to ${destination}, which nobody has`);
    }
  }
}

function isWithin(subnet: string, destination: string): boolean {
  const [base = '', length = '32'] = subnet.split('/');
  const mask = Number(length) === 0 ? 0 : -1 << (32 - Number(length));
  return (numberOf(base) & mask) === (numberOf(destination.split('/')[0] ?? '') & mask);
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0);
}
