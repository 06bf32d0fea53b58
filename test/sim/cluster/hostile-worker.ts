// Somebody with the certificate of a worker: joins as one, and then says anything, malformed or in the
// right form about what is not his. The others are to notice nothing of it (checkers/hostile.ts).
import { Prng } from 'sim';
import type { Connection } from '../../../src/base/index.ts';
import { FEATURE_LEVEL, type AgentMessage } from '../../../src/model/index.ts';
import { MESSAGE_KINDS, REGISTER, STATUS, malformed } from '../../builders/malformed-messages.ts';
import { atManager } from './client.ts';
import { SimulatedProcess } from './process.ts';
import type { World } from './world.ts';

/** Where his connections come from, and what he calls himself. */
export const HOSTILE_ADDRESS = '10.98.0.1';
export const HOSTILE_HOST = 'hostile';
/** What he says of the tasks of others. */
export const HOSTILE_MESSAGE = 'said by somebody else';

const PAUSE_MS = 150;
const BURST_MAX = 10;

type Line = Connection<unknown, unknown>;

export class HostileWorker {
  readonly #world: World;
  readonly #random: Prng;
  readonly #process: SimulatedProcess;
  #nodeId: string | undefined;
  #line: Line | undefined;
  #stopped = false;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.split('hostile');
    const time = { rate: 1, offsetMs: 0, lagMs: 0 };
    this.#process = new SimulatedProcess(HOSTILE_HOST, world.clock, this.#random.split('p'), time);
    this.#turn();
  }

  stop(): void {
    this.#stopped = true;
    this.#line?.close();
    this.#process.kill();
  }

  #turn(): void {
    this.#world.clock.after(this.#random.below(2 * PAUSE_MS), () => {
      if (this.#stopped) return;
      void this.#act();
      this.#turn();
    });
  }

  async #act(): Promise<void> {
    if (this.#nodeId === undefined) return this.#join();
    this.#line ??= this.#dial(this.#nodeId);
    const messages = 1 + this.#random.below(BURST_MAX);
    for (let i = 0; i < messages && this.#line !== undefined; i++) {
      const kind = this.#random.pick(MESSAGE_KINDS);
      const message = this.#random.chance(0.5) ? this.#nonsense(kind) : this.#lie();
      this.#line.send(message);
    }
  }

  async #join(): Promise<void> {
    const managers = this.#world.managers();
    if (managers.length === 0) return;
    const { machine } = this.#random.pick(managers);
    const outcome = await atManager(this.#world, machine, (manager) =>
      manager.join({
        csr: 'csr',
        token: this.#world.tokens.worker,
        // With tasks of his own he has something to say of them; once he is gone they run elsewhere.
        availability: this.#random.pick(['active', 'drain'] as const),
        from: HOSTILE_ADDRESS,
        featureLevel: FEATURE_LEVEL,
      }),
    );
    if (outcome.kind === 'done') this.#nodeId ??= outcome.value.nodeId;
  }

  #dial(nodeId: string): Line {
    const host = this.#random.pick(this.#world.machines).host;
    const client = { host: HOSTILE_HOST, process: this.#process };
    const line = this.#world.openStreamOf(client, nodeId, host).clientEnd<unknown, unknown>();
    line.onMessage(() => {});
    line.onClose(() => {
      this.#line = undefined;
    });
    // Half of his sessions begin as they should.
    if (this.#random.chance(0.5)) line.send({ register: this.#register() });
    return line;
  }

  #register(): NonNullable<AgentMessage['register']> {
    return { ...REGISTER, address: `${HOSTILE_ADDRESS}:2377`, dataPathAddress: HOSTILE_ADDRESS };
  }

  /** Of one kind; statuses are of one of his tasks, if he has any. */
  #nonsense(kind: string): unknown {
    const [task] = this.#world.leader()?.view.tasksOfNode(this.#nodeId ?? '') ?? [];
    if (task === undefined || this.#random.chance(0.7)) return malformed(this.#random, kind);
    const odd: unknown[] = [7, null, {}, { state: 'nonsense' }, { ...STATUS, timestamp: 'now' }];
    const status = JSON.stringify(this.#random.pick(odd));
    const sequence = this.#random.below(2 ** 30);
    return { statuses: { reports: [{ taskId: task.id, status, sequence }] } };
  }

  /** In the right form, of what is not his. */
  #lie(): AgentMessage {
    const random = this.#random;
    const view = this.#world.leader()?.view;
    const tasks = [...(view?.all('task') ?? [])].filter(({ nodeId }) => nodeId !== this.#nodeId);
    const task = tasks.length === 0 ? undefined : random.pick(tasks);
    const machine = random.pick(this.#world.machines);
    if (random.chance(0.3) || task === undefined) {
      const dataPathAddress = machine.underlay;
      return { register: { ...this.#register(), dataPathAddress } };
    }
    if (random.chance(0.2)) return { drain: { taskId: task.id } };
    const state = random.pick(['running', 'failed', 'complete', 'shutdown'] as const);
    const status = JSON.stringify({ ...STATUS, state, message: HOSTILE_MESSAGE });
    return { statuses: { reports: [{ taskId: task.id, status, sequence: 2 ** 40 }] } };
  }
}
