// After the faults: somebody puts the cluster in order, so that everything that is wanted can run. What
// remains to be seen is that it does.
import type { Manager } from '../../../src/manager/index.ts';
import {
  specIndexOf,
  type Node,
  type Service,
  type ServiceSpec,
} from '../../../src/model/index.ts';
import { request } from './client.ts';
import type { ContainerUser, KnownContainer } from './container-load.ts';
import type { World } from './world.ts';

const TRIES = 10;
const PAUSE_MS = 500;
const LEAVE_MS = 60_000;

/** Makes every node active and every service one that can run. */
export async function repair(world: World): Promise<void> {
  const machines = new Set(world.machines.map(({ nodeId }) => nodeId));
  await forEach(world, 'node', async (node: Node) => {
    // Somebody asked twice to join and heard only once: the first one is nobody.
    if (!machines.has(node.id)) {
      const { id, spec } = node;
      const version = specIndexOf(node);
      if (spec.Role === 'manager') {
        await call(world, 'node.update', { id, version, spec: { ...spec, Role: 'worker' } });
      }
      await call(world, 'node.remove', { id, force: true });
    } else if (node.spec.Availability !== 'active') {
      const { id, spec } = node;
      const version = specIndexOf(node);
      await call(world, 'node.update', { id, version, spec: { ...spec, Availability: 'active' } });
    }
  });
  await forEach(world, 'service', async (service: Service, { view }) => {
    const { id } = service;
    const version = specIndexOf(service);
    const nodes = view.count('node');
    const requested = feasible(service, nodes, world.options.smallNetworks);
    const others = [...view.all('service')].filter((other) => other.id !== id);
    const spec = clashes(requested, others)
      ? { ...requested, EndpointSpec: { Mode: 'vip' as const } }
      : requested;
    await call(world, 'service.update', { id, version, spec });
  });
}

/**
 * A machine that was away while all managers it knew were replaced finds nobody any more, as with
 * Docker: somebody has to take it out (docs/troubleshooting.md).
 */
export async function removeForgotten(world: World): Promise<void> {
  const managers = new Set(
    world
      .managers()
      .filter(({ manager }) => manager.consensus.status.leader !== undefined)
      .map(({ machine }) => machine.address),
  );
  const forgotten = world.machines.filter(
    ({ address: own, daemon, retired }) =>
      daemon?.agent !== undefined &&
      !retired &&
      !managers.has(own) &&
      !daemon.knownManagers.some((address) => managers.has(address)),
  );
  for (const machine of forgotten) {
    world.trace.line(`${machine.host} knows no manager any more`);
    let left = false;
    void machine.leave().then(() => (left = true));
    await world.until(() => left, LEAVE_MS);
    await forEach(world, 'node', async ({ id }: Node) => {
      if (id === machine.nodeId) await call(world, 'node.remove', { id, force: true });
    });
  }
}

/** Containers that try to start for ever, since what they ask for can't be had, are removed. */
export async function repairContainers(world: World, user: ContainerUser): Promise<void> {
  const { smallNetworks } = world.options;
  for (const known of user.containers) {
    const { machine, config, removal } = known;
    if (removal === 'done' || machine.retired) continue;
    const runs = machine.userRuntime.running.some(({ containerId }) => containerId === known.id);
    // Others may have what is left of a small network, or the very address.
    const scarce = config.networks.some(({ addresses }) => smallNetworks || addresses.length > 0);
    if (removal === 'none' && (scarce ? runs : hasNetworks(world, known))) continue;
    for (let tries = 0; ; tries++) {
      let removed: boolean | undefined;
      void user.remove(known).then((done) => (removed = done));
      await world.until(() => removed !== undefined, LEAVE_MS);
      if (removed === true) break;
      if (tries >= TRIES) {
        return world.fail('liveness', `container ${known.id} could not be removed`);
      }
      await world.pass(PAUSE_MS);
    }
  }
}

function hasNetworks(world: World, { config }: KnownContainer): boolean {
  const view = world.leader()?.view;
  return config.networks.every(
    ({ target }) =>
      target === 'bridge' ||
      view?.get('network', target) !== undefined ||
      view?.byName('network', target) !== undefined,
  );
}

function feasible(service: Service, nodes: number, small: boolean): ServiceSpec {
  const { spec } = service;
  const global = spec.Mode.Global !== undefined;
  const { Resources: _reserved, Placement: _placed, ...template } = spec.TaskTemplate;
  return {
    ...spec,
    Mode: global ? spec.Mode : { Replicated: { Replicas: small ? 1 : Math.min(3, nodes) } },
    TaskTemplate: {
      ...template,
      ContainerSpec: { ...template.ContainerSpec, Image: 'good:1' },
      RestartPolicy: { Condition: 'any', Delay: 2e8 },
      ForceUpdate: (template.ForceUpdate ?? 0) + 1,
      // A global service may need more addresses than a small network has.
      ...(global && small ? { Networks: [] } : {}),
    },
    UpdateConfig: { Parallelism: 0, Monitor: 5e8, FailureAction: 'pause', Order: 'stop-first' },
    EndpointSpec: {
      ...spec.EndpointSpec,
      Ports: service.endpoint.error === undefined ? (spec.EndpointSpec?.Ports ?? []) : [],
    },
  };
}

/** Two requests at once may both get a port that only one of them can have. */
function clashes(spec: ServiceSpec, others: readonly Service[]): boolean {
  const taken = new Set(
    others
      .flatMap((other) => [...other.endpoint.ports, ...(other.spec.EndpointSpec?.Ports ?? [])])
      .map(({ PublishedPort }) => PublishedPort ?? 0),
  );
  const ports = spec.EndpointSpec?.Ports ?? [];
  return ports.some(({ PublishedPort = 0 }) => PublishedPort > 0 && taken.has(PublishedPort));
}

/** Each object once, with a new try when something else changed it meanwhile. */
async function forEach<K extends 'node' | 'service', T extends { id: string }>(
  world: World,
  table: K,
  act: (object: T, manager: Manager) => Promise<void>,
): Promise<void> {
  const ids = [...(world.leader()?.view.all(table) ?? [])].map(({ id }) => id);
  for (const id of ids) {
    let done = false;
    for (let tries = 0; tries < TRIES && !done; tries++) {
      const manager = world.leader();
      const object = manager?.view.get(table, id) as unknown as T | undefined;
      if (manager !== undefined && object !== undefined) {
        try {
          await act(object, manager);
          done = true;
        } catch (error) {
          world.trace.line(`repair of ${table} ${id} is tried again: ${String(error)}`);
        }
      }
      if (!done) await world.pass(PAUSE_MS);
    }
    if (!done && world.leader()?.view.get(table, id) !== undefined) {
      world.fail('liveness', `${table} ${id} could not be changed in ${TRIES} tries`);
    }
  }
}

async function call<M extends Parameters<typeof request>[2]>(
  world: World,
  method: M,
  body: Parameters<typeof request<M>>[3],
): Promise<void> {
  const machine = world.managers().find(({ manager }) => manager === world.leader())?.machine;
  if (machine === undefined) throw new Error('no leader');
  let outcome: Awaited<ReturnType<typeof request<M>>> | undefined;
  void request(world, machine, method, body).then((value) => (outcome = value));
  await world.until(() => outcome !== undefined, 20_000);
  if (outcome?.kind === 'done') return;
  throw outcome?.kind === 'refused' ? outcome.error : new Error('no answer');
}
