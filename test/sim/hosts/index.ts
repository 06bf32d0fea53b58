// Size `hosts`: the managers' real raft hosts, logs, sealing and snapshot files on simulated disks,
// networks and clocks, with clients over a replicated key-value store. Faults first; then everything
// is healed, and the group must get on within a bound, with all that it ever acknowledged.
import { CheckFailure, Prng, Trace, type SeedResult } from 'sim';
import { Faults, replace } from './faults.ts';
import { describeOptions, drawOptions } from './options.ts';
import { World } from './world.ts';

const LIVENESS_MS = 60_000;
const CALM_MS = 1000;

/** Runs one seed; throws `CheckFailure` for a broken promise. */
export async function runHostsSeed(
  seed: number,
  settings: { readonly trace?: Trace } = {},
): Promise<SeedResult> {
  const trace = settings.trace ?? new Trace();
  const prng = new Prng(`hosts ${seed}`);
  const options = drawOptions(prng.split('options'));
  trace.line(describeOptions(options));
  const world = new World(prng, options, trace);
  await world.found();
  world.startClients();
  const faults = new Faults(world, prng.split('faults'));
  await faults.run();
  await calmDown(world);
  // Snapshots under way come to their end.
  await world.pass(CALM_MS);
  finalChecks(world);
  const { history } = world;
  const done = [...faults.counts].map(([fault, count]) => `${fault} ${count}`).join(', ');
  return {
    hash: trace.hash,
    events: trace.count,
    summary:
      `${world.machines.length} members, ${history.entries.length} operations, ` +
      `${history.acknowledged.size} changes acknowledged; ${done}`,
  };
}

/** Everything is healed: a leader, and all members as far as it is. */
async function calmDown(world: World): Promise<void> {
  world.line('all is healed');
  world.healAll();
  const deadline = world.clock.monotonicMs() + LIVENESS_MS;
  const settled = (): boolean => {
    const applied = world.leader?.status?.appliedIndex;
    return world.present.every(
      (machine) =>
        machine.flipped !== 'reported' &&
        machine.consensus !== undefined &&
        machine.store?.index === applied,
    );
  };
  let changes = 0;
  while (!settled() || changes < 3) {
    if (world.clock.monotonicMs() > deadline) {
      const who = world.present.map(
        (machine) => `${machine.name}: ${machine.lastEnd} at ${machine.store?.index ?? 'down'}`,
      );
      throw new CheckFailure('liveness', `not settled within ${LIVENESS_MS} ms: ${who.join('; ')}`);
    }
    for (const machine of world.present) {
      if (machine.flipped === 'reported') await replace(world, machine);
      else await world.restart(machine);
    }
    await dismiss(world);
    const before = world.history.acknowledged.size;
    await world.pass(CALM_MS);
    if (world.history.acknowledged.size > before) changes++;
    if (changes >= 3) world.stopClients();
  }
}

/** Machines whose removal was confirmed to nobody are switched off once the group says that they left. */
async function dismiss(world: World): Promise<void> {
  const members = world.leader?.status?.members.map((member) => member.raftId);
  if (members === undefined) return;
  for (const machine of world.present) {
    if (members.includes(machine.self.raftId)) continue;
    world.line(`${machine.name} is no member and is switched off`);
    machine.kill();
    machine.retired = true;
  }
}

function finalChecks(world: World): void {
  world.check();
  const [first] = world.present;
  for (const [id, index] of world.history.acknowledged) {
    const applied = first?.store?.commands.get(id);
    if (applied?.index === index) continue;
    const where = applied === undefined ? 'nowhere' : `at ${applied.index}`;
    throw new CheckFailure(
      'acknowledged is kept',
      `${id} was acknowledged at ${index}, ${first?.name ?? 'the group'} has it ${where}`,
    );
  }
  world.history.check();
  for (const machine of world.present) checkFootprint(world, machine.name, machine.footprint());
}

/** Checker: logs and snapshots behind the last snapshot are dropped. */
function checkFootprint(
  world: World,
  name: string,
  footprint: { bytes: number; segments: number; snapshots: number },
): void {
  const { snapshotInterval, valueBytesMax, segmentBytes } = world.options;
  // Entries since the snapshot before the last, each with its own record at worst, and the segment
  // that one of them began in; a segment is begun at every start, too.
  const entryBytes = valueBytesMax + 300;
  const needed = Math.ceil((2 * snapshotInterval * entryBytes) / segmentBytes);
  const starts = 30;
  if (footprint.snapshots > 1 || footprint.segments > needed + starts) {
    throw new CheckFailure(
      'disk is bounded',
      `${name} has ${footprint.segments} segments and ${footprint.snapshots} snapshots`,
    );
  }
}
