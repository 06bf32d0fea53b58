// The store is the same on all managers: the same digest at the same index, versions that only grow,
// no entry applied twice, and a snapshot that stands for its log. ("apply reads no clock and draws no
// random number", ARCHITECTURE.md.)
import type { Manager, StoreView } from '../../../../src/manager/index.ts';
import { TABLE_NAMES } from '../../../../src/manager/store/index.ts';
import type { AppliedStep, Checker, World } from '../world.ts';

/** `addNode` counts in the cluster object and tells no change of it: sums over changes leave it out. */
const TABLES = TABLE_NAMES.filter((table) => table !== 'cluster');

/** A sum of hashes: order does not matter, and a change costs only what it changes. */
interface Digest {
  a: number;
  b: number;
  index: number;
}

export class StoreChecker implements Checker {
  readonly name = 'store';
  readonly #world: World;
  readonly #hashes = new WeakMap<object, readonly [number, number]>();
  readonly #managers = new Map<Manager, Digest>();
  readonly #known = new Map<number, string>();

  constructor(world: World) {
    this.#world = world;
  }

  restored({ machine }: AppliedStep['daemon'], manager: Manager): void {
    const digest = this.#whole(manager.view);
    this.#managers.set(manager, digest);
    this.#compare(machine.host, manager.view, digest);
  }

  applied({ daemon, manager, index, changes }: AppliedStep): void {
    const digest = this.#managers.get(manager);
    const { host } = daemon.machine;
    if (digest === undefined) return;
    if (index <= digest.index) {
      this.#world.fail(this.name, `${host} applied entry ${index} after ${digest.index}`);
    }
    digest.index = index;
    for (const { table, before, after } of changes) {
      if (after !== undefined && after.version !== index) {
        this.#world.fail(
          this.name,
          `${table} ${after.id} has version ${after.version} at ${index}`,
        );
      }
      if (table === 'cluster') continue;
      if (before !== undefined) this.#add(digest, before, -1);
      if (after !== undefined) this.#add(digest, after, 1);
    }
    this.#compare(host, manager.view, digest);
  }

  settled(leader: Manager): void {
    // What was counted change by change is what there is.
    for (const { machine, manager } of this.#world.managers()) {
      this.#compare(machine.host, manager.view, this.#whole(manager.view));
    }
    this.#world.trace.line(`digest ${this.#known.get(leader.view.index) ?? ''}`);
  }

  #whole(view: StoreView): Digest {
    const digest = { a: 0, b: 0, index: view.index };
    for (const table of TABLES) for (const object of view.all(table)) this.#add(digest, object, 1);
    return digest;
  }

  #compare(host: string, view: StoreView, digest: Digest): void {
    // The counter of nodes changes without a change being told: the cluster is looked at each time.
    const cluster = view.cluster === undefined ? [0, 0] : this.#hash(view.cluster);
    const text = `${digest.a} ${digest.b} ${cluster.join(' ')}`;
    const known = this.#known.get(digest.index);
    if (known === undefined) this.#known.set(digest.index, text);
    else if (known !== text) {
      this.#world.fail(this.name, `${host} has another state at index ${digest.index} than others`);
    }
  }

  #add(digest: Digest, object: object, sign: 1 | -1): void {
    const [a, b] = this.#hash(object);
    digest.a = (digest.a + sign * a) | 0;
    digest.b = (digest.b + sign * b) | 0;
  }

  #hash(object: object): readonly [number, number] {
    let hash = this.#hashes.get(object);
    if (hash === undefined) this.#hashes.set(object, (hash = hashOf(JSON.stringify(object))));
    return hash;
  }
}

function hashOf(text: string): [number, number] {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995);
  }
  return [a, b];
}
