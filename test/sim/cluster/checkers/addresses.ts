// Addresses, VNIs and published ports: one owner each, also while the owner's container runs on a node
// that cannot be reached; and free again after use, an address of a task after its time of rest. ("One
// owner per published port and protocol, one user per address; a freed address rests 60 s",
// ARCHITECTURE.md.)
import { ADDRESS_REST_MS } from '../../../../src/manager/allocator/address-pool.ts';
import type { StoreView } from '../../../../src/manager/index.ts';
import {
  endedAt,
  fixedAddresses,
  isTerminal,
  type StoreChange,
  type Task,
} from '../../../../src/model/index.ts';
import type { SimulatedContainer } from '../executor.ts';
import type { AppliedStep, Checker, World } from '../world.ts';

const TEXT = new TextDecoder();

export class AddressChecker implements Checker {
  readonly name = 'addresses';
  readonly #world: World;
  /** What is owned → who owns it. */
  readonly #owners = new Map<string, string>();
  /** Addresses of containers that run, whatever the managers believe. */
  readonly #running = new Map<string, SimulatedContainer>();
  /** Addresses of tasks → when they were freed, in the managers' time, and in whose reign. */
  readonly #freed = new Map<string, { readonly at: number; readonly reign: number }>();
  /** Counts leaders; one knows nothing of the ends of tasks that were forgotten before it led. */
  #reign = 0;
  #leader = '';

  constructor(world: World) {
    this.#world = world;
  }

  applied({ manager, payload, changes, first }: AppliedStep): void {
    if (!first) return;
    const proposer = /"by":"[^"]*"/.exec(TEXT.decode(payload.subarray(0, 100)))?.[0] ?? '';
    const leader = `${proposer} ${this.#world.leader()?.consensus.status.term ?? 0}`;
    if (leader !== this.#leader) this.#reign++;
    this.#leader = leader;
    for (const change of changes) {
      const before = ownedBefore(change);
      const after = ownedAfter(change);
      for (const [key, owner] of before) {
        if (this.#owners.get(key) === owner) this.#owners.delete(key);
      }
      for (const [key, owner] of after) this.#take(key, owner);
      this.#checkRest(manager.view, change, before, after);
      if (change.table === 'task' && change.after !== undefined) this.#checkGiven(change);
    }
  }

  containerStarted(host: string, container: SimulatedContainer): void {
    for (const key of keysOf(container)) {
      const other = this.#running.get(key);
      if (other !== undefined && other !== container) {
        const who = `containers ${other.taskId} and ${container.taskId} (on ${host})`;
        this.#world.fail(this.name, `${who} run with the same ${key}`);
      }
      this.#running.set(key, container);
    }
  }

  containerEnded(_host: string, container: SimulatedContainer): void {
    for (const key of keysOf(container)) {
      if (this.#running.get(key) === container) this.#running.delete(key);
    }
  }

  #take(key: string, owner: string): void {
    const other = this.#owners.get(key);
    if (other !== undefined && other !== owner) {
      this.#world.fail(this.name, `${key} was given to ${owner}, while ${other} has it`);
    }
    this.#owners.set(key, owner);
  }

  /** Others may still send to whoever had it last; a container that asked for this very one gets it. */
  #checkRest(view: StoreView, change: StoreChange, before: Owned, after: Owned): void {
    const at = change.after?.updatedAt ?? 0;
    const known = new Set(before.map(([key]) => key));
    const kept = new Set(after.map(([key]) => key));
    for (const [key, owner] of after) {
      const freed = this.#freed.get(key);
      if (known.has(key) || freed?.reign !== this.#reign) continue;
      if (at - freed.at >= ADDRESS_REST_MS) continue;
      if (change.table === 'task' && change.after && isFixed(view, change.after, key)) continue;
      const when = `${at - freed.at} ms after its last user's end`;
      this.#world.fail(this.name, `${key} was given to ${owner} ${when}`);
    }
    if (change.table !== 'task') return;
    const freedAt = change.after === undefined ? change.before?.updatedAt : endedAt(change.after);
    for (const key of known) {
      if (!kept.has(key)) this.#freed.set(key, { at: freedAt ?? 0, reign: this.#reign });
    }
  }

  /** An address must not be given out while a container still uses it. */
  #checkGiven({ before, after }: Extract<StoreChange, { table: 'task' }>): void {
    if (after === undefined || (before?.networks.length ?? 0) > 0) return;
    for (const [key] of taskKeys(after)) {
      const user = this.#running.get(key);
      if (user === undefined || user.taskId === after.id) continue;
      const still = `while the container of task ${user.taskId} runs with it`;
      this.#world.fail(this.name, `${key} was given to task ${after.id} ${still}`);
    }
  }
}

type Owned = (readonly [key: string, owner: string])[];

function ownedBefore(change: StoreChange): Owned {
  return owned(change, change.before);
}

function ownedAfter(change: StoreChange): Owned {
  return owned(change, change.after);
}

function owned({ table }: StoreChange, object: StoreChange['after']): Owned {
  if (object === undefined) return [];
  if (table === 'task') return taskKeys(object as Task);
  if (table === 'network') {
    const { vni } = object as { vni?: number };
    return vni === undefined ? [] : [[`VNI ${vni}`, `network ${object.id}`]];
  }
  if (table !== 'service') return [];
  const { endpoint } = object as Extract<StoreChange, { table: 'service' }>['after'] & object;
  const owner = `service ${object.id}`;
  const vips = endpoint.virtualIps.map(
    ({ networkId, address }) => [addressKey(networkId, address), owner] as const,
  );
  const ports = endpoint.ports
    .filter(({ PublishMode }) => PublishMode === 'ingress')
    .map(
      ({ Protocol, PublishedPort = 0 }) => [`port ${PublishedPort}/${Protocol}`, owner] as const,
    );
  return [...vips, ...ports];
}

function taskKeys(task: Task): Owned {
  if (isTerminal(task.status.state)) return [];
  return task.networks.flatMap(({ networkId, addresses }) =>
    addresses.map((address) => [addressKey(networkId, address), `task ${task.id}`] as const),
  );
}

function isFixed(view: StoreView, { revisionId }: Task, key: string): boolean {
  const requests = view.get('revision', revisionId)?.spec.TaskTemplate.Networks ?? [];
  return requests.some((requested) =>
    fixedAddresses(requested).some((address) => addressKey(requested.Target, address) === key),
  );
}

function keysOf({ addresses }: SimulatedContainer): string[] {
  return addresses.map(({ networkId, address }) => addressKey(networkId, address));
}

function addressKey(networkId: string, address: string): string {
  return `address ${address.split('/')[0] ?? ''} of network ${networkId}`;
}
