// npm run sim: runs seeds of one size of the simulation, or replays one of them.
//   npm run sim -- --size hosts --seed 17 --log full
//   npm run sim -- --size raft --seeds 10000 --first-seed 1
// Ends with 127 when a seed crashed, 128 when nothing went on any more (liveness), 129 when a promise
// was broken (correctness), and 2 for a bad option.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { bundleSimulation, ROOT } from './bundle.ts';
import { mutants } from './mutants/index.ts';
import { runSeeds } from './seed-pool.ts';
import type { SeedOutcome } from './seed-process.ts';
import { parseSize, SIZES, type Size } from './sizes.ts';

const EXIT_CODES = { ok: 0, crash: 127, liveness: 128, correctness: 129 } as const;
const SEEDS_DEFAULT = 100;
const PROCESSES_MAX = 2;
const PROGRESS_MS = 10_000;

const usage = `npm run sim -- [--size raft|hosts|cluster] [--seed N | --seeds N --first-seed K]
  [--processes 1|2] [--keep-going] [--log full|none] [--until LINE] [--mutant NAME]`;

interface Options {
  readonly size: Size;
  readonly firstSeed: number;
  readonly seeds: number;
  readonly processes: number;
  readonly keepGoing: boolean;
  readonly full: boolean;
  readonly untilLine: number | undefined;
  readonly mutant: string | undefined;
}

function parse(): Options {
  const { values } = parseArgs({
    options: {
      size: { type: 'string', default: 'cluster' },
      seed: { type: 'string' },
      seeds: { type: 'string' },
      'first-seed': { type: 'string', default: '1' },
      processes: { type: 'string', default: String(PROCESSES_MAX) },
      'keep-going': { type: 'boolean', default: false },
      log: { type: 'string', default: 'none' },
      until: { type: 'string' },
      mutant: { type: 'string' },
    },
  });
  const size = parseSize(values.size);
  if (size === undefined) throw new Error(`--size ${values.size} is not raft, hosts or cluster`);
  if (values.log !== 'full' && values.log !== 'none') {
    throw new Error(`--log ${values.log} is neither full nor none`);
  }
  return {
    size,
    firstSeed: wholeNumber('--seed', values.seed ?? values['first-seed']),
    seeds: values.seed === undefined ? wholeNumber('--seeds', values.seeds ?? SEEDS_DEFAULT) : 1,
    processes: Math.min(PROCESSES_MAX, wholeNumber('--processes', values.processes)),
    keepGoing: values['keep-going'],
    full: values.log === 'full',
    untilLine: values.until === undefined ? undefined : wholeNumber('--until', values.until),
    mutant: values.mutant,
  };
}

function wholeNumber(option: string, text: string | number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new Error(`${option} ${text} is not a whole number`);
  }
  return value;
}

async function main(options: Options): Promise<number> {
  const mutant = mutants.find(({ name }) => name === options.mutant);
  if (options.mutant !== undefined && mutant === undefined) {
    throw new Error(`--mutant ${options.mutant} is not known`);
  }
  const bundle = await bundleSimulation(options.size, mutant);
  const startedAt = Date.now();
  let toldAt = startedAt;
  let done = 0;
  let exitCode: number = EXIT_CODES.ok;
  const onOutcome = (outcome: SeedOutcome): boolean => {
    done++;
    if (outcome.kind !== 'ok') {
      tellFailure(outcome, options);
      exitCode = Math.max(exitCode, EXIT_CODES[outcome.kind]);
      return options.keepGoing;
    }
    if (options.seeds === 1) {
      process.stdout.write(
        `seed ${outcome.seed}: ${outcome.summary}\n` +
          `${outcome.events} events in ${outcome.milliseconds} ms, trace ${outcome.hash}\n`,
      );
    } else if (Date.now() - toldAt > PROGRESS_MS) {
      toldAt = Date.now();
      process.stdout.write(`${done} of ${options.seeds} seeds\n`);
    }
    return true;
  };
  try {
    await runSeeds({
      script: bundle.script,
      firstSeed: options.firstSeed,
      seeds: options.seeds,
      processes: options.processes,
      full: options.full,
      seedMsMax: options.full ? 10 * SIZES[options.size].seedMsMax : SIZES[options.size].seedMsMax,
      ...(options.untilLine === undefined ? {} : { untilLine: options.untilLine }),
      onOutcome,
    });
  } finally {
    await bundle.remove();
  }
  if (options.seeds > 1) {
    const seconds = (Date.now() - startedAt) / 1000;
    const last = options.firstSeed + options.seeds - 1;
    process.stdout.write(
      `${done} seeds of size ${options.size} (${options.firstSeed} to ${last}) in ` +
        `${seconds.toFixed(1)} s, ${(done / seconds).toFixed(1)} a second: ` +
        `${exitCode === 0 ? 'no violation' : 'VIOLATION'}, commit ${commit()}\n`,
    );
  }
  return exitCode;
}

function tellFailure(outcome: Exclude<SeedOutcome, { kind: 'ok' }>, options: Options): void {
  const replay =
    `npm run sim -- --size ${options.size} --seed ${outcome.seed}` +
    (options.mutant === undefined ? '' : ` --mutant ${options.mutant}`);
  process.stdout.write(
    `\n${outcome.lines.join('\n')}\n\n` +
      `seed ${outcome.seed}: ${outcome.kind} (${outcome.checker})\n${outcome.sentence}\n` +
      `trace ${outcome.hash}, commit ${commit()}\nreplay: ${replay} --log full\n`,
  );
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return git('rev-parse', '--short', 'HEAD') + (changed ? ' with changes' : '');
  } catch {
    return 'unknown';
  }
}

try {
  process.exitCode = await main(parse());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
  process.exitCode = 2;
}
