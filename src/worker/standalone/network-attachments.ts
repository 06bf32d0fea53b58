// Network attachments of users' containers on networks of the cluster. A container asks the managers for one; it comes
// as an assignment to the agent, which runs it like a task: its "container" is the user's, and its end is
// the end of that one's run. So addresses are given back however a daemon, a node or a leader dies.
import { SwarmError, sleep, type Clock } from '../../base/index.ts';
import type { ContainerNetworkConfig, TaskAssignment } from '../../model/index.ts';
import type {
  ContainerObservation,
  TaskContext,
  TaskController,
  TaskExit,
} from '../runtime/index.ts';
import { Condition } from '../../base/async/index.ts';

/** From the managers' word that they know of it until its addresses are here. */
const ASSIGNMENT_LIMIT_MS = 20_000;

const ENDED: TaskExit = { exitCode: 0, oomKilled: false };

export interface NetworkAttachmentRequest {
  readonly id: string;
  readonly containerId: string;
  readonly name: string;
  readonly networks: readonly ContainerNetworkConfig[];
}

/** Asks the managers; raises what they refuse, and `notFound` on a node that is in no cluster. */
export type AskManagers = (request: NetworkAttachmentRequest) => Promise<void>;

export class NetworkAttachments {
  readonly #ask: AskManagers;
  readonly #clock: Clock;
  readonly #open = new Map<string, NetworkAttachment>();

  constructor(ask: AskManagers, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** An attachment that is wanted; `stop` ends the container's run when the managers want it to go. */
  open(id: string, containerId: string, stop: () => Promise<void>): NetworkAttachment {
    const attachment = new NetworkAttachment(containerId, stop, () => this.#open.delete(id));
    this.#open.set(id, attachment);
    return attachment;
  }

  /** Addresses for an open attachment. */
  async obtain(request: NetworkAttachmentRequest): Promise<TaskAssignment> {
    const attachment = this.#open.get(request.id);
    if (attachment === undefined) throw new Error('invariant broken: the attachment is not open');
    await this.#ask(request);
    const late = new AbortController();
    const names = request.networks.map(({ target }) => target).join(', ');
    const timeout = sleep(this.#clock, ASSIGNMENT_LIMIT_MS, late.signal).then(() => undefined);
    const task = await Promise.race([attachment.assigned, timeout]);
    late.abort();
    if (task !== undefined) return task;
    throw new SwarmError(
      'unavailable',
      `no address on network ${names} came within ${ASSIGNMENT_LIMIT_MS / 1000} s: is it full, or is there no manager?`,
    );
  }

  /** What the agent runs for an assignment of an attachment. */
  controller({ task }: TaskContext): TaskController {
    const attachment = this.#open.get(task.id);
    if (attachment === undefined) return endedAttachment(task.attachment?.containerId ?? '');
    attachment.take(task);
    return attachment;
  }
}

/** Whoever asked for it has gone: its agent says that it has ended. */
function endedAttachment(containerId: string): NetworkAttachment {
  const attachment = new NetworkAttachment(
    containerId,
    () => Promise.resolve(),
    () => {},
  );
  attachment.end(ENDED);
  return attachment;
}

/** One run's attachment. */
export class NetworkAttachment implements TaskController {
  readonly assigned: Promise<TaskAssignment>;
  readonly #containerId: string;
  readonly #stop: () => Promise<void>;
  readonly #forget: () => void;
  readonly #changes = new Condition();
  #assign: (task: TaskAssignment) => void = () => {};
  #state: 'asked' | 'assigned' | 'running' | 'ended' = 'asked';
  #pid = 0;
  #exit = ENDED;

  constructor(containerId: string, stop: () => Promise<void>, forget: () => void) {
    this.#containerId = containerId;
    this.#stop = stop;
    this.#forget = forget;
    this.assigned = new Promise((resolve) => {
      this.#assign = resolve;
    });
  }

  /** What the managers assigned, also again after a restart of the daemon. */
  take(task: TaskAssignment): void {
    if (this.#state === 'asked') this.#become('assigned');
    this.#assign(task);
  }

  /** The container runs: from here on it has its names. */
  run(pid: number): void {
    this.#pid = pid;
    this.#become('running');
  }

  end(exit: TaskExit): void {
    if (this.#state === 'ended') return;
    this.#exit = exit;
    this.#become('ended');
    this.#forget();
  }

  observe(): Promise<ContainerObservation> {
    const containerId = this.#containerId;
    switch (this.#state) {
      case 'asked':
        return Promise.resolve({ state: 'absent' });
      case 'assigned':
        return Promise.resolve({ state: 'created', containerId });
      case 'running':
        return Promise.resolve({ state: 'running', containerId, pid: this.#pid, healthy: true });
      case 'ended':
        return Promise.resolve({ state: 'exited', containerId, exit: this.#exit });
    }
  }

  async prepare(): Promise<void> {
    // `take` came with the controller.
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#changes.until(() => this.#state === 'running' || this.#state === 'ended', signal);
    if (signal.aborted) throw new SwarmError('unavailable', 'start was given up');
    if (this.#state === 'ended') {
      throw new SwarmError('precondition', this.#exit.error ?? 'the container did not start');
    }
  }

  async wait(signal: AbortSignal): Promise<TaskExit> {
    await this.#changes.until(() => this.#state === 'ended', signal);
    if (this.#state !== 'ended') throw new SwarmError('unavailable', 'the wait was given up');
    return this.#exit;
  }

  /** Nobody drains what its user stops. */
  connections(): Promise<number> {
    return Promise.resolve(0);
  }

  async shutdown(): Promise<TaskExit> {
    if (this.#state !== 'ended') await this.#stop();
    this.end(this.#exit);
    return this.#exit;
  }

  async remove(): Promise<void> {
    await this.shutdown();
  }

  #become(state: 'assigned' | 'running' | 'ended'): void {
    this.#state = state;
    this.#changes.tell();
  }
}
