// A node speaks for itself alone, in the field's types: what somebody with a worker's certificate says
// is neither stored nor handed on where it is malformed or about another node, and no other session ends
// of it. ("Outside the process everything is hostile", docs/security.md.)
import { decoder, messageOf, type LogFields } from '../../../../src/base/index.ts';
import { TABLES, type Action, type StoreChange } from '../../../../src/model/index.ts';
import type { Manager, StoreView } from '../../../../src/manager/index.ts';
import type { SimulatedDaemon } from '../daemon.ts';
import { HOSTILE_HOST, HOSTILE_MESSAGE } from '../hostile-worker.ts';
import type { AppliedStep, Checker, World } from '../world.ts';

const TEXT = new TextDecoder();
const decodeNode = decoder(TABLES.node, 'node');
const decodeTask = decoder(TABLES.task, 'task');

export class HostileChecker implements Checker {
  readonly name = 'hostile';
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  applied({ manager, changes, first }: AppliedStep): void {
    if (!first || !this.#world.options.hostile) return;
    for (const change of changes) this.#check(change, manager.view);
  }

  /** Such an entry would be without effect, and the log is not his to fill. */
  proposing(_daemon: SimulatedDaemon, manager: Manager, payload: Uint8Array): void {
    if (!this.#world.options.hostile) return;
    const entry = JSON.parse(TEXT.decode(payload)) as { tx?: { actions: Action[] }[] };
    for (const action of entry.tx?.flatMap(({ actions }) => actions) ?? []) {
      if (action.kind !== 'taskStatus') continue;
      const owner = manager.view.get('task', action.taskId)?.nodeId;
      if (action.status.message !== HOSTILE_MESSAGE && owner === action.nodeId) continue;
      if (owner === undefined || owner === action.nodeId) continue;
      this.#world.fail(this.name, `a status of task ${action.taskId} comes from ${action.nodeId}`);
    }
  }

  logged(host: string, message: string, fields: LogFields): void {
    const said = JSON.stringify(fields);
    const fault =
      message === 'a watcher of the store failed' ||
      message === 'a change in the log is malformed: left out' ||
      (message === 'statuses could not be recorded' && said.includes('malformed'));
    if (fault) this.#world.fail(this.name, `${host}: ${message}: ${said}`);
  }

  #check(change: StoreChange, view: StoreView): void {
    const { after } = change;
    if (after === undefined) return;
    try {
      if (change.table === 'node') decodeNode(structuredClone(after));
      else if (change.table === 'task') decodeTask(structuredClone(after));
    } catch (error) {
      this.#world.fail(this.name, `${change.table} ${after.id} is stored: ${messageOf(error)}`);
    }
    if (change.table === 'task') this.#checkTask(change);
    else if (change.table === 'node') this.#checkNode(change, view);
  }

  #checkTask({ after }: Extract<StoreChange, { table: 'task' }>): void {
    if (after?.status.message !== HOSTILE_MESSAGE) return;
    this.#world.fail(this.name, `the status of task ${after.id} was said by another node`);
  }

  /** The address of a node that is up is given to no other one. */
  #checkNode({ before, after }: Extract<StoreChange, { table: 'node' }>, view: StoreView): void {
    const address = after?.status.dataPathAddress ?? '';
    if (after === undefined || address === before?.status.dataPathAddress) return;
    const owner = this.#world.machines.find(({ underlay }) => underlay === address)?.nodeId;
    const known = owner === undefined ? undefined : view.get('node', owner)?.status;
    if (owner === after.id || known?.dataPathAddress !== address || known.state === 'down') return;
    const who = `node ${after.id} (${after.description?.hostname ?? HOSTILE_HOST})`;
    this.#world.fail(this.name, `${who} is stored at ${address}, where node ${owner} is`);
  }
}
