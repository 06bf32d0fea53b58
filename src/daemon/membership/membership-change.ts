// One change of a node's membership at a time: init, join, restore, taking up what was stored, leave.
// A leave ends the one that is under way: its signal aborts, it stops where it is, and then the leave
// takes down what it had begun.
import { SwarmError, messageOf, sleep, type Clock, type Logger } from '../../base/index.ts';
import { untilAborted, deferred } from '../../base/async/index.ts';

export type ChangeKind = 'init' | 'join' | 'restore' | 'start' | 'leave';

/** How long a leave waits until what it ends has stopped where it was. */
export const END_LIMIT_MS = 30_000;

interface Current {
  readonly kind: ChangeKind;
  readonly abort: AbortController;
  /** Resolves when it is over, however it ended. */
  readonly over: Promise<void>;
}

export class MembershipChange {
  readonly #clock: Clock;
  #current: Current | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is under way. */
  get kind(): ChangeKind | undefined {
    return this.#current?.kind;
  }

  /** Raises `unavailable`, and says what is under way, when it is not the only one. */
  async run<T>(kind: ChangeKind, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#current !== undefined) throw underWay(this.#current.kind);
    const abort = new AbortController();
    const over = deferred();
    const current: Current = { kind, abort, over: over.promise };
    this.#current = current;
    try {
      return await act(abort.signal);
    } finally {
      this.#current = undefined;
      over.resolve();
    }
  }

  /**
   * Ends what is under way and resolves once that is over. Raises `deadline` when it takes too long: it
   * goes on by itself, and until then nothing else begins.
   */
  async end(): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    if (current.kind === 'leave') throw underWay('leave');
    current.abort.abort(
      new SwarmError('unavailable', `this node left the swarm while ${NAMES[current.kind]}`),
    );
    const inTime = new AbortController();
    const late = sleep(this.#clock, END_LIMIT_MS, inTime.signal).then(() => 'late' as const);
    const outcome = await Promise.race([current.over, late]);
    inTime.abort();
    if (outcome !== 'late') return;
    throw new SwarmError(
      'deadline',
      `this node can't leave: ${NAMES[current.kind]}, and has not ended within ${END_LIMIT_MS / 1000} s. Leave again.`,
    );
  }
}

const NAMES: Readonly<Record<ChangeKind, string>> = {
  init: 'its init was under way',
  join: 'its join was under way',
  restore: 'its restore was under way',
  start: 'it was taking up its membership',
  leave: 'its leave was under way',
};

function underWay(kind: ChangeKind): SwarmError {
  if (kind === 'leave') {
    return new SwarmError(
      'unavailable',
      'This node is leaving its swarm. Try again once it has left.',
    );
  }
  return new SwarmError(
    'unavailable',
    'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.',
  );
}

/** Raises the reason when the signal has aborted. */
export function goOn(signal: AbortSignal): void {
  if (signal.aborted) throw reasonOf(signal);
}

/** As `work`, but raises the signal's reason when that aborts first. For work that leaves nothing behind. */
export async function unlessEnded<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await untilAborted(work, signal, 'it');
  } catch (error) {
    goOn(signal);
    throw error;
  }
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(messageOf(signal.reason));
}

/** Looks every `everyMs` until `done`; raises what `late` makes after `limitMs`, or the signal's reason. */
export async function waitUntil(
  done: () => boolean,
  wait: {
    readonly clock: Clock;
    readonly everyMs: number;
    readonly limitMs: number;
    readonly signal: AbortSignal;
    readonly late: () => Error;
  },
): Promise<void> {
  const { clock, everyMs, limitMs, signal, late } = wait;
  const deadline = clock.monotonicMs() + limitMs;
  for (goOn(signal); !done(); goOn(signal)) {
    if (clock.monotonicMs() > deadline) throw late();
    await sleep(clock, everyMs, signal);
  }
}

/** How long a node that leaves waits for one of its parts, such as a container that nothing kills. */
export const PART_LIMIT_MS = 60_000;

/** As `work`, but raises `deadline`, naming the part, when that takes too long; it goes on by itself. */
export async function inTime(clock: Clock, part: string, work: Promise<void>): Promise<void> {
  const over = new AbortController();
  const late = sleep(clock, PART_LIMIT_MS, over.signal).then(() => {
    if (over.signal.aborted) return;
    const limit = `${PART_LIMIT_MS / 1000} s`;
    throw new SwarmError('deadline', `${part} did not end within ${limit}: left as they are`);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}

/** Takes steps one after another, each although one before has failed; raises the first failure. */
export async function allInOrder(
  logger: Logger,
  steps: Readonly<Record<string, () => Promise<void> | void>>,
): Promise<void> {
  const failures: unknown[] = [];
  for (const [step, take] of Object.entries(steps)) {
    try {
      await take();
    } catch (error) {
      failures.push(error);
      logger.error({ step, error: messageOf(error) }, 'a part of the node could not be taken down');
    }
  }
  if (failures.length > 0) throw failures[0];
}
