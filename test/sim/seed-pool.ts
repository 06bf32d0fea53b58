// The parent's end: runs seeds in a few processes, and notices those that hang or die.
import { fork, type ChildProcess } from 'node:child_process';
import type { SeedOrder, SeedOutcome } from './seed-process.ts';

/** What to run. */
export interface SeedPoolOptions {
  /** A bundle of `bundle.ts`. */
  readonly script: string;
  readonly firstSeed: number;
  readonly seeds: number;
  readonly processes: number;
  /** A seed that takes longer hangs: it counts as crashed. */
  readonly seedMsMax: number;
  readonly full?: boolean;
  readonly untilLine?: number;
  /** Called for every seed, in the order in which they end; false ends the run. */
  readonly onOutcome: (outcome: SeedOutcome) => boolean;
}

/** Runs the seeds; resolves when all are done or `onOutcome` wants no more. */
export async function runSeeds(options: SeedPoolOptions): Promise<void> {
  let next = options.firstSeed;
  const end = options.firstSeed + options.seeds;
  let wanted = true;
  const takeSeed = (): number | undefined => (wanted && next < end ? next++ : undefined);
  const worker = async (): Promise<void> => {
    let child: SeedChild | undefined;
    try {
      for (let seed = takeSeed(); seed !== undefined; seed = takeSeed()) {
        child ??= new SeedChild(options.script);
        const order = { seed, full: options.full === true, untilLine: options.untilLine };
        const outcome = await child.run(order, options.seedMsMax);
        if (outcome === 'stopped') return;
        if (outcome.kind === 'crash') {
          child.kill();
          child = undefined;
        }
        if (wanted && !options.onOutcome(outcome)) wanted = false;
      }
    } finally {
      child?.kill();
    }
  };
  const count = Math.max(1, Math.min(options.processes, options.seeds));
  await Promise.all(Array.from({ length: count }, worker));
}

class SeedChild {
  readonly #process: ChildProcess;

  constructor(script: string) {
    this.#process = fork(script, { execArgv: ['--enable-source-maps'] });
  }

  /** One seed; `stopped` when the process ended by itself as it was told to. */
  run(order: SeedOrder, msMax: number): Promise<SeedOutcome | 'stopped'> {
    const startedAt = Date.now();
    return new Promise((resolve) => {
      const crashed = (sentence: string): void => {
        const milliseconds = Date.now() - startedAt;
        const what = { hash: '', kind: 'crash', checker: 'crash', sentence, lines: [] } as const;
        done({ seed: order.seed, milliseconds, ...what });
      };
      const timer = setTimeout(() => crashed(`no end within ${msMax} ms`), msMax);
      const onMessage = (message: unknown): void => done(message as SeedOutcome);
      const onExit = (code: number | null, signal: string | null): void => {
        if (code === 0 && order.untilLine !== undefined) done('stopped');
        else crashed(`the process ended with ${signal ?? `code ${code}`}`);
      };
      const done = (outcome: SeedOutcome | 'stopped'): void => {
        clearTimeout(timer);
        this.#process.off('message', onMessage);
        this.#process.off('exit', onExit);
        resolve(outcome);
      };
      this.#process.on('message', onMessage);
      this.#process.on('exit', onExit);
      this.#process.send(order);
    });
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }
}
