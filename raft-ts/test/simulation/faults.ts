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
  world.elected = (leader) => {
    if (!world.isCalm && prng.chance(faults.harassLeaders)) harass(world, prng, leader);
  };
}

/** Leaders that do not last leave entries behind that only some have (figure 8 of the paper). */
function harass(world: World, prng: Prng, leader: Member): void {
  const { life } = leader;
  const patience = prng.pick([5, 20, 100]);
  world.queue.after(prng.between(0, patience), () => {
    if (world.isCalm || leader.life !== life) return;
    const what = prng.pick(['crash', 'pause', 'cut', 'cut'] as const);
    if (what === 'crash') crash(world, prng, leader);
    else if (what === 'pause') pause(world, prng, leader);
    else cutOff(world, prng, [leader.id, ...world.idsOf(prng, 0.2)]);
  });
}

/** Cuts some members off from the rest, for a while. */
export function cutOff(world: World, prng: Prng, ids: readonly number[]): void {
  const { network, members, options } = world;
  network.mend();
  const inside = new Set(ids);
  for (const { id: a } of members) {
    for (const { id: b } of members) if (inside.has(a) !== inside.has(b)) network.cut(a, b);
  }
  world.line(`cut off ${ids.join(' ')}`);
  mendLater(world, prng, options.faults.minPartitionMs, options.faults.maxPartitionMs);
}

function mendLater(world: World, prng: Prng, from: number, to: number): void {
  world.queue.after(prng.between(from, to), () => {
    if (!world.isCalm && prng.chance(0.8)) world.network.mend();
  });
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
  member.isPaused = true;
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
  const { leader } = world;
  if (leader !== undefined && prng.chance(0.3)) {
    cutOff(world, prng, [leader.id, ...world.idsOf(prng, 0.2)]);
    return;
  }
  const ids = members.map(({ id }) => id);
  const side = new Set(ids.filter(() => prng.chance(0.5)));
  const lonely = prng.pick(ids);
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
  mendLater(world, prng, minPartitionMs, maxPartitionMs);
}
