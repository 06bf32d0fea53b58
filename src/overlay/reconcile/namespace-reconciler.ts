// Brings one namespace to its wanted state and remembers what is there. After a restart, or when
// something failed or was changed by others, it reads the kernel again: objects by dump, nftables by
// comparing the listing with that of the wanted tables loaded into a scratch namespace.
import { SwarmError, ifPresent } from '../../base/index.ts';
import { uplinkSysctls } from '../desired/index.ts';
import {
  HOST,
  LINK_DOWN,
  keyOf,
  objectMap,
  planObjects,
  type ExpectedListing,
  type Kernel,
  type KernelObject,
  type KernelOp,
  type NamespaceState,
} from '../kernel/index.ts';
import {
  createTable,
  diffTable,
  removeTable,
  repairTable,
  replaceTable,
  sameListing,
  type NftTable,
} from '../nft/index.ts';

/** Rounds of reading and planning before the failure is reported. */
const MAX_ROUNDS = 3;

export interface ReconcilerContext {
  readonly kernel: Kernel;
  readonly listings: ExpectedListing;
  /** Links in the host's namespace that start with this are ours. */
  readonly hostPrefix: string;
  /** Tells the owner of the other end of a new link that it has got one. */
  linkAppeared(namespace: string, link: KernelObject): void;
}

export class NamespaceReconciler {
  readonly #context: ReconcilerContext;
  readonly #namespace: string;
  /** What is there as far as we know; undefined: not known, read first. */
  #objects: ReadonlyMap<string, KernelObject> | undefined;
  #tables: readonly NftTable[] | undefined;
  /** The namespace is there, or is just being made. */
  #made: Promise<void> | undefined;
  /** Made by us just now: no table can be there. */
  #empty = false;
  #wanted: NamespaceState | undefined;
  /** Of the kernel when the tables were as wanted; our own transactions are counted on. */
  #generation: number | undefined;
  /** Of the kernel when the objects were as wanted and nothing was changed by us since. */
  #print: string | undefined;
  /** By others, as the last look showed. */
  #damaged = false;

  /** `exists`: the namespace was found when the daemon started. */
  constructor(context: ReconcilerContext, namespace: string, exists: boolean) {
    this.#context = context;
    this.#namespace = namespace;
    if (exists) this.#made = Promise.resolve();
  }

  /** Makes the next `bring` read the kernel and repair what others changed. */
  forget(): void {
    this.#empty = false;
    this.#objects = undefined;
    this.#tables = undefined;
    this.#wanted = undefined;
    this.#generation = undefined;
    this.#print = undefined;
  }

  /** The other end of a new link is here. */
  noteLink(link: KernelObject): void {
    this.#print = undefined;
    if (this.#objects === undefined) return;
    this.#wanted = undefined;
    // One that was here before has taken along whatever hung on it.
    const known = this.#objects.has(keyOf(link));
    this.#objects = known ? undefined : new Map(this.#objects).set(keyOf(link), link);
  }

  /**
   * Looks whether others changed what is there; says one thing that they did, which the next `bring`
   * repairs, or nothing.
   * Fails when the namespace itself is gone.
   */
  async check(): Promise<string | undefined> {
    let found: string | undefined;
    const wanted = this.#wanted;
    if (wanted === undefined) return undefined;
    const { kernel } = this.#context;
    // Of forwarding any program may think that it is its own.
    if (this.#namespace === HOST) await kernel.writeSysctls(HOST, wanted.sysctls);
    const { generation, objects } = await kernel.fingerprint(this.#namespace);
    if (generation === undefined || generation !== this.#generation) {
      const intact = await this.#adoptTables(wanted.tables);
      this.#generation = generation;
      const lost = wanted.tables.find((table) => !intact.includes(table));
      if (lost !== undefined) {
        found = `table ${lost.family} ${lost.name}`;
        this.#tables = intact;
        this.#wanted = undefined;
      }
    }
    if (objects === undefined || objects !== this.#print) {
      const actual = await this.#read();
      const [change] = this.#changesIn(actual, wanted);
      if (change !== undefined) {
        found ??= keyOf(change.object);
        this.#objects = actual;
        this.#wanted = undefined;
        this.#damaged = true;
      }
      this.#print = objects;
    }
    return found;
  }

  /** Makes the namespace if it is missing; it is empty then. */
  create(state: Pick<NamespaceState, 'sysctls'>): Promise<void> {
    this.#made ??= this.#make(state).catch((error: unknown) => {
      this.#made = undefined;
      throw error;
    });
    return this.#made;
  }

  async #make({ sysctls }: Pick<NamespaceState, 'sysctls'>): Promise<void> {
    const { kernel } = this.#context;
    if (this.#namespace === HOST) return kernel.writeSysctls(HOST, sysctls);
    await kernel.createNamespace(this.#namespace, sysctls);
    this.#objects = new Map();
    this.#tables = [];
    this.#empty = true;
  }

  /** Takes the namespace away, be it that it is just being made. */
  async remove(): Promise<void> {
    await this.#made?.catch(() => undefined);
    await this.#context.kernel.deleteNamespace(this.#namespace);
  }

  /** Does what is missing; fails with a SwarmError that names the first thing that did not work. */
  async bring(state: NamespaceState): Promise<void> {
    if (this.#wanted === state) return;
    await this.create(state);
    let failure = '';
    for (let round = 0; round < MAX_ROUNDS; round++) {
      try {
        failure = await this.#round(state);
        if (failure === '') {
          this.#wanted = state;
          return;
        }
      } catch (error) {
        this.forget();
        if (round === MAX_ROUNDS - 1) throw error;
      }
    }
    throw new SwarmError('unavailable', `network ${this.#namespace}: ${failure}`);
  }

  /** One comparison and its changes; returns why another is needed, or "". */
  async #round(state: NamespaceState): Promise<string> {
    const { kernel } = this.#context;
    const namespace = this.#namespace;
    this.#objects ??= await this.#read();
    const plan = planObjects(namespace, this.#objects, state.objects);
    const script = await this.#transaction(state.tables);
    if (plan.before.length + plan.after.length > 0) this.#print = undefined;
    const failures = [...(await kernel.change(namespace, plan.before, script))];
    if (failures.every(({ op }) => op === undefined)) await this.#announceLinks(plan.before);
    if (failures.every(({ op }) => op !== undefined)) this.#loaded(state.tables, script);
    failures.push(...(await kernel.change(namespace, plan.after)));
    // A link that is mended may have lost more than one look showed.
    if (failures.length > 0 || plan.rereads || this.#damaged) {
      this.#damaged = false;
      this.#objects = undefined;
      return failures[0]?.message ?? 'links were made anew';
    }
    this.#objects = state.objects;
    return '';
  }

  /** What the kernel has otherwise than wanted, in words; changes nothing. */
  async differences(): Promise<string[]> {
    const wanted = this.#wanted;
    if (wanted === undefined) return ['it is being changed'];
    const changes = this.#changesIn(await this.#read(), wanted);
    const intact = await this.#adoptTables(wanted.tables);
    const tables = wanted.tables.filter((table) => !intact.includes(table));
    return [
      ...changes.map(({ op, object }) =>
        op === 'set' ? `${keyOf(object)} is missing or different` : `${keyOf(object)} is too much`,
      ),
      ...tables.map(({ family, name }) => `the rules of table ${family} ${name} are not ours`),
    ];
  }

  /** Links of tasks that have left go when the kernel gets to it: they are no change. */
  #changesIn(actual: ReadonlyMap<string, KernelObject>, wanted: NamespaceState): KernelOp[] {
    const { before, after } = planObjects(this.#namespace, actual, wanted.objects);
    return [...before, ...after.filter(({ object }) => object.kind !== 'veth')];
  }

  async #read(): Promise<ReadonlyMap<string, KernelObject>> {
    const { kernel, hostPrefix } = this.#context;
    const prefix = this.#namespace === HOST ? hostPrefix : '';
    return objectMap(await kernel.read(this.#namespace, prefix));
  }

  async #announceLinks(ops: readonly KernelOp[]): Promise<void> {
    for (const { op, object } of ops) {
      if (op !== 'set' || object.kind !== 'veth' || object.peer === undefined) continue;
      const { namespace, name, mac, ipv6 = false } = object.peer;
      if (namespace === HOST) {
        await this.#context.kernel.writeSysctls(HOST, uplinkSysctls(name, ipv6));
      }
      this.#context.linkAppeared(namespace, { kind: 'veth', name, mac, mtu: LINK_DOWN });
    }
  }

  /** What makes the tables that are there the wanted ones; until it is loaded they are unknown. */
  async #transaction(tables: readonly NftTable[]): Promise<string> {
    if (this.#tables === tables) return '';
    // Before the tables are looked at: what is changed after that is seen by the next check. Tasks' own
    // are not checked.
    if (this.#generation === undefined && !this.#namespace.startsWith('t-')) {
      this.#generation = (await this.#context.kernel.fingerprint(this.#namespace)).generation;
    }
    const known = this.#tables ?? (await this.#adoptTables(tables));
    this.#tables = undefined;
    const commands: string[] = [];
    for (const table of tables) {
      const before = known.find((old) => sameTable(old, table));
      if (before !== undefined) commands.push(diffTable(before, table));
      else commands.push(this.#empty ? createTable(table) : await this.#mend(table));
    }
    const gone = known.filter((old) => !tables.some((table) => sameTable(old, table)));
    return [...commands, ...gone.map(removeTable)].join('');
  }

  #loaded(tables: readonly NftTable[], script: string): void {
    if (script !== '' && this.#generation !== undefined) {
      this.#generation = following(this.#generation);
    }
    this.#empty = false;
    this.#tables = tables;
  }

  /** Those of the wanted tables that the kernel has already, exactly. */
  async #adoptTables(tables: readonly NftTable[]): Promise<NftTable[]> {
    const { listings } = this.#context;
    const adopted: NftTable[] = [];
    for (const table of tables) {
      const actual = await this.#list(table);
      if (actual !== '' && sameListing(actual, await listings.of(table))) adopted.push(table);
    }
    return adopted;
  }

  /** Commands that make the table out of whatever has its name, without a gap where that is possible. */
  async #mend(table: NftTable): Promise<string> {
    const actual = await this.#list(table);
    if (actual === '') return replaceTable(table);
    return repairTable(table, await this.#context.listings.of(table), actual);
  }

  /** "" where there is none. */
  async #list({ family, name }: NftTable): Promise<string> {
    const list = `list table ${family} ${name}`;
    return (await ifPresent(this.#context.kernel.nft(this.#namespace, list))) ?? '';
  }
}

/** The kernel's number of the transaction after this one; it leaves out 0. */
function following(generation: number): number {
  return generation === 0xffff_ffff ? 1 : generation + 1;
}

function sameTable(a: NftTable, b: NftTable): boolean {
  return a.family === b.family && a.name === b.name;
}
