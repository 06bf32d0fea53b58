// One run of a group under faults, drawn from a seed: the same seed gives the same trace.
import { CheckFailure, Prng, Trace, type SeedResult } from 'sim';
import { checkHistory } from '../checkers/index.ts';
import { Clients } from './clients.ts';
import { startFaults } from './faults.ts';
import { heal } from './healing.ts';
import { Operator } from './operator.ts';
import { describeOptions, drawOptions, type SimulationOptions } from './options.ts';
import { World } from './world.ts';

export { drawOptions, type SimulationOptions } from './options.ts';

/** How a run is watched, and what of the seed's options is replaced. */
export interface RunOptions {
  readonly trace?: Trace;
  readonly options?: (drawn: SimulationOptions) => SimulationOptions;
}

/** Runs a seed. Throws `CheckFailure` when a promise is broken; `liveness` names missing progress. */
export function runRaftSeed(seed: number, run: RunOptions = {}): SeedResult {
  const prng = new Prng(seed);
  const trace = run.trace ?? new Trace();
  const drawn = drawOptions(prng.split('options'));
  const options = run.options?.(drawn) ?? drawn;
  const world = new World(options, prng, trace);
  try {
    const answered = runWorld(world, prng);
    const { commits } = world.checkers;
    return {
      hash: trace.hash,
      events: world.events,
      summary:
        `${describeOptions(options)}: ${answered} answers, commit ${commits.highest}, ` +
        `term ${world.leader?.node?.term ?? 0}`,
    };
  } catch (error) {
    for (const line of world.describe()) trace.line(line);
    throw brokenPromise(error, trace);
  }
}

function runWorld(world: World, prng: Prng): number {
  const { options } = world;
  const clients = new Clients(world, prng.split('clients'));
  const operator = new Operator(world, prng.split('operator'));
  for (const member of world.members) member.start();
  startFaults(world, prng.split('faults'));
  operator.start();
  while (world.queue.now < options.faultMs && world.queue.step());
  heal(world, prng.split('healing'), clients, operator);
  checkHistory(clients.history);
  return clients.answered;
}

/** A broken invariant of the core is a broken promise as well. */
function brokenPromise(error: unknown, trace: Trace): unknown {
  if (error instanceof CheckFailure) {
    const lines = error.trace.length > 0 ? error.trace : trace.last(100);
    return new CheckFailure(error.checker, error.message.slice(error.checker.length + 2), lines);
  }
  if (error instanceof Error && error.message.startsWith('raft invariant broken')) {
    return new CheckFailure('invariant', error.message, trace.last(100));
  }
  return error;
}
