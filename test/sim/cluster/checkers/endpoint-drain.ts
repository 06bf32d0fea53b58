// A task that is to stop is told so only when no host sends it new connections any more, unless that
// took longer than the limit. Looks into the kernels, not at what anybody says. (docs/networking.md.)
import { ENDPOINT_DRAIN_LIMIT_MS } from '../../../../src/manager/dispatcher/drains/limits.ts';
import {
  TASK_STATE,
  isTerminal,
  type Network,
  type Revision,
  type Task,
} from '../../../../src/model/index.ts';
import type { SimulatedContainer } from '../executor.ts';
import type { Machine } from '../machine.ts';
import type { AppliedStep, Checker, World } from '../world.ts';

/** The first desired state that stops a task, as the log has it. */
interface Wish {
  readonly at: number;
  readonly desired: Task['desiredState'];
  /** The processes at that time, by host: what came later has to find its way first. */
  readonly processes: ReadonlyMap<string, unknown>;
  /** The desired state was followed by another: then nobody is waited for. */
  repeated: boolean;
}

export class EndpointDrainChecker implements Checker {
  readonly name = 'endpoint drain';
  readonly #world: World;
  readonly #requests = new Map<string, Wish>();
  readonly #tasks = new Map<string, Task>();
  /** Chains of ports in host mode, by revision: they are the task's own and stay until it ends. */
  readonly #hostPorts = new Map<string, ReadonlySet<string>>();
  readonly #networks = new Map<string, Network>();
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
      } else if (change.table === 'revision') {
        const { after, before } = change;
        if (after === undefined) this.#hostPorts.delete(before?.id ?? '');
        else {
          // After a rollback the revision may have another port, its older tasks keep theirs.
          const known = this.#hostPorts.get(after.id) ?? [];
          this.#hostPorts.set(after.id, new Set([...known, ...hostPortChains(after)]));
        }
      } else if (change.table === 'network') {
        const { after, before } = change;
        if (after === undefined) this.#networks.delete(before?.id ?? '');
        else this.#networks.set(after.id, after);
      } else if (change.table === 'task') this.#observe(change.after, change.before?.id, now);
    }
  }

  /** Within the limit every host that is up has let go; a machine that leaves the cluster asks nobody. */
  containerStopping(host: string, { taskId, addresses }: SimulatedContainer): void {
    if (this.#world.machines.some((machine) => machine.host === host && machine.retired)) return;
    const requested = this.#requests.get(taskId);
    const task = this.#tasks.get(taskId);
    if (requested === undefined || requested.repeated || task?.status.state !== 'running') return;
    const waited = this.#world.clock.monotonicMs() - requested.at;
    if (waited >= ENDPOINT_DRAIN_LIMIT_MS) return;
    for (const machine of this.#world.machines) {
      if (!this.#isWaitedFor(machine, requested)) continue;
      const texts = addresses
        .filter(({ networkId }) => this.#hasClients(machine, networkId))
        .map(({ address }) => address);
      const own = machine.nodeId === task.nodeId ? this.#hostPorts.get(task.revisionId) : undefined;
      const rule = translations(machine, own).find((one) => texts.some((text) => names(one, text)));
      if (rule === undefined) continue;
      this.#world.fail(
        this.name,
        `task ${taskId} is told to stop after ${waited.toFixed(0)} ms while ${machine.host} still has ${rule}`,
      );
    }
  }

  #observe(task: Task | undefined, before: string | undefined, now: number): void {
    if (task === undefined) {
      this.#requests.delete(before ?? '');
      this.#tasks.delete(before ?? '');
      return;
    }
    this.#tasks.set(task.id, task);
    if (TASK_STATE[task.desiredState] < TASK_STATE.shutdown) return;
    const requested = this.#requests.get(task.id);
    if (requested !== undefined) {
      requested.repeated ||= requested.desired !== task.desiredState;
      return;
    }
    this.#requests.set(task.id, {
      at: now,
      desired: task.desiredState,
      processes: new Map(this.#world.machines.map(({ host, process }) => [host, process])),
      repeated: false,
    });
  }

  /**
   * A host keeps a network as it was for tasks that the managers have given up, and one that was removed
   * until the last task is off it: nobody is left there to use it. The mesh's ports are open on every
   * host.
   */
  #hasClients({ runtime, userRuntime }: Machine, networkId: string): boolean {
    const network = this.#networks.get(networkId);
    if (network === undefined) return false;
    if (network.spec.Ingress === true) return true;
    return [...runtime.containers.values(), ...userRuntime.running].some(
      ({ taskId, state, addresses }) => {
        const task = this.#tasks.get(taskId);
        if (state !== 'running' || task === undefined || isTerminal(task.status.state))
          return false;
        return addresses.some((address) => address.networkId === networkId);
      },
    );
  }

  #isWaitedFor(machine: Machine, requested: Wish): boolean {
    const { nodeId, host, process, daemon } = machine;
    if (nodeId === undefined || daemon === undefined) return false;
    if ((this.#downAt.get(nodeId) ?? -Infinity) >= requested.at) return false;
    return requested.processes.get(host) === process;
  }
}

function hostPortChains({ ports }: Revision): Set<string> {
  const own = ports.filter(({ PublishMode }) => PublishMode === 'host');
  return new Set(own.map(({ Protocol, PublishedPort }) => `p_${Protocol}_${PublishedPort}`));
}

/** Rules of a machine's kernel that lead new connections somewhere, but for those of `except`. */
function translations(machine: Machine, except: ReadonlySet<string> = new Set()): string[] {
  return [...machine.kernel.tables.values()].flatMap((text) => {
    const chains = new Map<string, string[]>();
    const backends = new Map<string, string>();
    for (const line of text.split('\n')) {
      const [verb, what, , , chain = '', ...rule] = line.split(' ');
      if (verb === 'flush' || (verb === 'delete' && what === 'chain')) chains.delete(chain);
      else if (verb === 'add' && what === 'rule') {
        chains.set(chain, [...(chains.get(chain) ?? []), rule.join(' ')]);
      } else if (what === 'element' && chain === 'backends') {
        const elements = line.slice(line.indexOf('{') + 2, line.lastIndexOf(' }')).split(', ');
        for (const element of elements) {
          const [key = '', backend = ''] = element.split(' : ');
          if (verb === 'add') backends.set(key, `${key} dnat to ${backend}`);
          else backends.delete(key);
        }
      }
    }
    const others = [...chains].filter(([chain]) => !except.has(chain));
    const rules = others.flatMap(([, some]) => some).filter((rule) => rule.includes('dnat to'));
    return [...rules, ...backends.values()];
  });
}

/** Whole addresses only: 10.0.0.5 is not in 10.0.0.51. */
function names(rule: string, address: string): boolean {
  return rule
    .split(/[^0-9a-f.:]+/)
    .some((word) => word === address || word.startsWith(`${address}:`));
}
