// Sessions: a status counts only in its node's newest session, and after any number of breaks an
// agent's set is the store's set. ("Statuses carry session epoch and sequence; older ones are
// dropped", ARCHITECTURE.md.)
import { buildAssignments } from '../../../../src/manager/dispatcher/sets/assignments.ts';
import type { Manager } from '../../../../src/manager/index.ts';
import type { Machine } from '../machine.ts';
import { members } from '../rest.ts';
import type { AppliedStep, Checker, World } from '../world.ts';

interface StoredSet {
  readonly tables: Readonly<Record<string, readonly (readonly [string, unknown])[]>>;
}

export class SessionChecker implements Checker {
  readonly name = 'sessions';
  readonly #world: World;
  readonly #epochs = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  applied({ index, changes, first }: AppliedStep): void {
    if (!first) return;
    for (const change of changes) {
      if (change.table === 'session' && change.after !== undefined) {
        const { id, epoch } = change.after;
        const before = this.#epochs.get(id) ?? 0;
        if (epoch <= before) {
          this.#world.fail(this.name, `node ${id} got session ${epoch} after ${before}`);
        }
        this.#epochs.set(id, epoch);
      }
      if (change.table === 'task') this.#checkStatus(index, change);
    }
  }

  async settled(leader: Manager): Promise<void> {
    for (const machine of members(this.#world)) await this.#compareSets(leader, machine);
  }

  #checkStatus(
    index: number,
    change: Extract<AppliedStep['changes'][number], { table: 'task' }>,
  ): void {
    const { before, after } = change;
    const { epoch, sequence } = after?.status ?? {};
    if (after === undefined || epoch === undefined) return;
    if (epoch === before?.status.epoch && sequence === before.status.sequence) return;
    const current = this.#epochs.get(after.nodeId ?? '');
    if (epoch === current) return;
    this.#world.fail(
      this.name,
      `entry ${index} applied a status of task ${after.id} from session ${epoch}, node ${after.nodeId} is in session ${current}`,
    );
  }

  async #compareSets({ view }: Manager, machine: Machine): Promise<void> {
    const { host, nodeId = '' } = machine;
    const content = await machine.disk.readFile('/node/assignments.json');
    if (content === undefined) return this.#world.fail(this.name, `${host} has stored no set`);
    const { tables } = JSON.parse(new TextDecoder().decode(content)) as StoredSet;
    const stored = new Map<string, string>();
    for (const [kind, items] of Object.entries(tables)) {
      for (const [key, body] of items) stored.set(`${kind}\n${key}`, JSON.stringify(body));
    }
    const wanted = new Map(
      [...buildAssignments(view, nodeId)].filter(([id]) => !id.startsWith('payload\n')),
    );
    for (const [id, body] of wanted) {
      if (stored.get(id) !== body) {
        const has = stored.get(id) ?? 'nothing';
        this.#world.fail(this.name, `${host} has ${has} for ${id.replace('\n', ' ')}, not ${body}`);
      }
    }
    for (const id of stored.keys()) {
      if (wanted.has(id)) continue;
      this.#world.fail(this.name, `${host} still has ${id.replace('\n', ' ')}`);
    }
  }
}
