// The process that runs seeds, one after another, as its parent asks for them. It is the entry of
// every bundle; the parent's end is `seed-pool.ts`.
import { CheckFailure, Trace, type SeedResult } from 'sim';

/** A run of one seed; it throws `CheckFailure` when a checker sees a promise broken. */
export type SeedRun = (
  seed: number,
  options: { readonly trace: Trace },
) => SeedResult | Promise<SeedResult>;

/** What the parent asks for. */
export interface SeedOrder {
  readonly seed: number;
  /** Print every line of the trace. */
  readonly full: boolean;
  /** Stop after this many lines of the trace. */
  readonly untilLine: number | undefined;
}

/** How a seed came out. */
export type SeedOutcome = {
  readonly seed: number;
  readonly milliseconds: number;
  readonly hash: string;
} & (
  | { readonly kind: 'ok'; readonly events: number; readonly summary: string }
  | {
      readonly kind: 'correctness' | 'liveness' | 'crash';
      readonly checker: string;
      readonly sentence: string;
      /** The last lines of the trace. */
      readonly lines: readonly string[];
    }
);

/** Lines of the trace told with a failure. */
const LINES_TOLD = 100;

/** Serves the parent until it disconnects. */
export function serveSeeds(run: SeedRun): void {
  let current: { order: SeedOrder; trace: Trace; startedAt: number } | undefined;
  const failed = (error: unknown): SeedOutcome | undefined => {
    if (current === undefined) return undefined;
    const { order, trace, startedAt } = current;
    return {
      seed: order.seed,
      milliseconds: Date.now() - startedAt,
      hash: trace.hash,
      ...describeFailure(error),
      lines: trace.last(LINES_TOLD),
    };
  };
  // Nobody waits for these within the run: the seed has crashed, and this process with it.
  const crashed = (error: unknown): void => {
    const outcome = failed(error);
    if (outcome === undefined) throw error;
    process.send?.(outcome, () => process.exit(1));
  };
  process.on('unhandledRejection', crashed);
  process.on('uncaughtException', crashed);
  process.on('message', (message) => {
    const order = message as SeedOrder;
    const trace = new Trace(printer(order));
    current = { order, trace, startedAt: Date.now() };
    void (async () => run(order.seed, { trace }))().then(
      ({ hash, events, summary }) => {
        const milliseconds = Date.now() - (current?.startedAt ?? 0);
        process.send?.({ seed: order.seed, milliseconds, kind: 'ok', hash, events, summary });
      },
      (error: unknown) => process.send?.(failed(error)),
    );
  });
}

function printer(order: SeedOrder): ((line: string) => void) | undefined {
  if (!order.full && order.untilLine === undefined) return undefined;
  let left = order.untilLine ?? Infinity;
  return (line) => {
    if (order.full) process.stdout.write(`${line}\n`);
    if (--left > 0) return;
    process.stdout.write(`stopped after line ${order.untilLine}\n`);
    process.exit(0);
  };
}

function describeFailure(error: unknown): {
  kind: 'correctness' | 'liveness' | 'crash';
  checker: string;
  sentence: string;
} {
  if (error instanceof CheckFailure) {
    const kind = error.checker.startsWith('liveness') ? 'liveness' : 'correctness';
    return { kind, checker: error.checker, sentence: error.message };
  }
  const sentence = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: 'crash', checker: 'crash', sentence };
}
