// What goes wrong in a run: crashes, cuts, pauses. Each kind comes at its own mean interval.
import type { Prng } from 'sim';
import type { Member } from './member.ts';
import type { World } from './world.ts';

/** Calls `happen` again and again, about every `mean` milliseconds, until the world is calm. */
export function every(world: World, prng: Prng, mean: number, happen: () => void): void {
  if (mean === 0) return;
  const again = (): void => {
    world.queue.after(prng.between(Math.ceil(mean / 4), mean * 2), () => {
      if (world.isCalm) return;
      happen();
      again();
    });
  };
  again();
}

/** Starts all faults of the run. */
export function startFaults(world: World, prng: Prng): void {
  const { faults } = world.options;
  const any = (): Member => prng.pick(world.members);
  every(world, prng, faults.crash, () => crash(world, prng, any()));
  every(world, prng, faults.crashAll, () => {
    for (const member of world.members) crash(world, prng, member);
  });
  every(world, prng, faults.pause, () => pause(world, prng, any()));
  every(world, prng, faults.partition, () => partition(world, prng));
}

function crash(world: World, prng: Prng, member: Member): void {
  if (member.node === undefined || member.isGone) return;
  member.crash();
  const { life } = member;
  world.queue.after(prng.between(0, world.options.faults.maxDownMs), () => {
    if (member.life === life && !member.isGone && !world.isCalm) member.start();
  });
}

function pause(world: World, prng: Prng, member: Member): void {
  if (member.node === undefined || member.isPaused) return;
  member.pause();
  world.line(`${member.id} pauses`);
  const { life } = member;
  world.queue.after(prng.between(1, world.options.faults.maxPauseMs), () => {
    if (member.life === life) member.resume();
  });
}

/** Cuts the network in one of the ways it fails in practice, for a while. */
function partition(world: World, prng: Prng): void {
  const { network, members, options } = world;
  const { minPartitionMs, maxPartitionMs, oneWay } = options.faults;
  const ids = members.map(({ id }) => id);
  const side = new Set(ids.filter(() => prng.chance(0.5)));
  const lonely = world.leader !== undefined && prng.chance(0.5) ? world.leader.id : prng.pick(ids);
  const kind = prng.pick(['halves', 'alone', 'pairs'] as const);
  const parted = (from: number, to: number): boolean => {
    if (kind === 'halves') return side.has(from) !== side.has(to);
    if (kind === 'alone') return from === lonely || to === lonely;
    return prng.chance(0.3);
  };
  const direction = oneWay ? prng.pick(['both', 'there', 'back'] as const) : 'both';
  network.mend();
  for (const a of ids) {
    for (const b of ids) {
      if (a >= b || !parted(a, b)) continue;
      if (direction !== 'back') network.cut(a, b);
      if (direction !== 'there') network.cut(b, a);
    }
  }
  world.line(`cut ${kind} ${direction} ${lonely} (${[...side].join(' ')})`);
  world.queue.after(prng.between(minPartitionMs, maxPartitionMs), () => {
    if (!world.isCalm && prng.chance(0.8)) network.mend();
  });
}
