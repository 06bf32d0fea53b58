// A task that is to stop is told so only when no host sends it new connections any more, unless that
// took longer than the limit. Looks into the kernels, not at what anybody says. (docs/networking.md.)
import { WITHDRAWAL_LIMIT_MS } from '../../../../src/manager/dispatcher/limits.ts';
import { TASK_STATE, isTerminal, type Task } from '../../../../src/model/index.ts';
import type { SimulatedContainer } from '../executor.ts';
import type { Machine } from '../machine.ts';
import type { AppliedStep, Checker, World } from '../world.ts';

/** The first wish that a task stops, as the log has it. */
interface Wish {
  readonly at: number;
  readonly desired: Task['desiredState'];
  /** The processes at that time, by host: what came later has to find its way first. */
  readonly processes: ReadonlyMap<string, unknown>;
  /** The wish was followed by another: then nobody is waited for. */
  repeated: boolean;
}

export class WithdrawalChecker implements Checker {
  readonly name = 'withdrawal';
  readonly #world: World;
  readonly #wishes = new Map<string, Wish>();
  readonly #tasks = new Map<string, Task>();
  /** When a node was last known to be down: now, while it is. */
  readonly #downAt = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  applied({ changes, first }: AppliedStep): void {
    if (!first) return;
    const now = this.#world.clock.monotonicMs();
    for (const change of changes) {
      if (change.table === 'node') {
        const node = change.after;
        const id = node?.id ?? change.before?.id ?? '';
        if (node === undefined || node.status.state === 'down') this.#downAt.set(id, Infinity);
        else if (this.#downAt.get(id) === Infinity) this.#downAt.set(id, now);
      } else if (change.table === 'task') this.#observe(change.after, change.before?.id, now);
    }
  }

  /** Within the limit every host that is up has let go. */
  containerStopping(_host: string, { taskId, addresses }: SimulatedContainer): void {
    const wish = this.#wishes.get(taskId);
    if (wish === undefined || wish.repeated || this.#tasks.get(taskId)?.status.state !== 'running')
      return;
    const waited = this.#world.clock.monotonicMs() - wish.at;
    if (waited >= WITHDRAWAL_LIMIT_MS) return;
    for (const machine of this.#world.machines) {
      if (!this.#isWaitedFor(machine, wish) || !this.#hasClients(machine, taskId)) continue;
      const texts = addresses.map(({ address }) => address);
      const rule = translations(machine).find((one) => texts.some((text) => names(one, text)));
      if (rule === undefined) continue;
      this.#world.fail(
        this.name,
        `task ${taskId} is told to stop after ${waited.toFixed(0)} ms while ${machine.host} still has ${rule}`,
      );
    }
  }

  #observe(task: Task | undefined, before: string | undefined, now: number): void {
    if (task === undefined) {
      this.#wishes.delete(before ?? '');
      this.#tasks.delete(before ?? '');
      return;
    }
    this.#tasks.set(task.id, task);
    if (TASK_STATE[task.desiredState] < TASK_STATE.shutdown) return;
    const wish = this.#wishes.get(task.id);
    if (wish !== undefined) {
      wish.repeated ||= wish.desired !== task.desiredState;
      return;
    }
    this.#wishes.set(task.id, {
      at: now,
      desired: task.desiredState,
      processes: new Map(this.#world.machines.map(({ host, process }) => [host, process])),
      repeated: false,
    });
  }

  /** A host keeps a network as it was for tasks that have ended: nobody is left there to use it. */
  #hasClients({ nodeId }: Machine, taskId: string): boolean {
    const networks = new Set(this.#tasks.get(taskId)?.networks.map(({ networkId }) => networkId));
    return [...this.#tasks.values()].some(
      (task) =>
        task.nodeId === nodeId &&
        !isTerminal(task.status.state) &&
        task.networks.some(({ networkId }) => networks.has(networkId)),
    );
  }

  #isWaitedFor(machine: Machine, wish: Wish): boolean {
    const { nodeId, host, process, daemon } = machine;
    if (nodeId === undefined || daemon === undefined) return false;
    if ((this.#downAt.get(nodeId) ?? -Infinity) >= wish.at) return false;
    return wish.processes.get(host) === process;
  }
}

/** Rules of a machine's kernel that lead new connections somewhere. */
function translations(machine: Machine): string[] {
  return [...machine.kernel.tables.values()].flatMap((text) => {
    const chains = new Map<string, string[]>();
    for (const line of text.split('\n')) {
      const [verb, what, , , chain = '', ...rule] = line.split(' ');
      if (verb === 'flush' || (verb === 'delete' && what === 'chain')) chains.delete(chain);
      else if (verb === 'add' && what === 'rule') {
        chains.set(chain, [...(chains.get(chain) ?? []), rule.join(' ')]);
      }
    }
    return [...chains.values()].flat().filter((rule) => rule.includes('dnat to'));
  });
}

/** Whole addresses only: 10.0.0.5 is not in 10.0.0.51. */
function names(rule: string, address: string): boolean {
  return rule
    .split(/[^0-9a-f.:]+/)
    .some((word) => word === address || word.startsWith(`${address}:`));
}
