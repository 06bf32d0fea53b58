// The second half of a run: faults end, a core of the group is whole again, and must get on within a
// bounded time, though the others stay away (liveness, as TigerBeetle's simulator demands it).
import { CheckFailure, type Prng } from 'sim';
import type { ConfState } from '../../src/index.ts';
import type { Clients } from './clients.ts';
import type { Member } from './member.ts';
import type { Operator } from './operator.ts';
import { TICK_MS } from './options.ts';
import type { World } from './world.ts';

/** Election time-outs within which the core has to acknowledge a write and agree. */
const ELECTIONS_MAX = 60;

/** Ends the faults and waits until the core has agreed. */
export function heal(world: World, prng: Prng, clients: Clients, operator: Operator): void {
  world.isCalm = true;
  world.network.calm();
  const away = chooseAway(world, prng, operator);
  for (const member of world.members) {
    if (away.has(member)) {
      if (member.node !== undefined) member.crash();
    } else if (member.node === undefined && !member.isGone) {
      member.start();
    } else {
      member.resume();
    }
  }
  world.line(`calm, away: ${[...away].map(({ id }) => id).join(' ')}`);
  clients.isStopped = true;
  let isWritten = false;
  clients.writeNow(() => {
    isWritten = true;
  });
  const deadline = world.queue.now + ELECTIONS_MAX * world.options.group.electionTicks * TICK_MS;
  let nextCare = world.queue.now;
  while (!isWritten || !agreed(world, away)) {
    if (world.queue.now > deadline || !world.queue.step()) {
      const what = isWritten ? 'agree' : 'acknowledge a write';
      throw new CheckFailure(
        'liveness',
        `the group did not ${what} within ${ELECTIONS_MAX} election time-outs of calm`,
        world.describe(),
      );
    }
    if (world.queue.now < nextCare) continue;
    nextCare = world.queue.now + 50;
    operator.keepHouse();
    operator.stopRemoved(1);
  }
}

/** Members without whom every membership that somebody may go by still has its majorities. */
function chooseAway(world: World, prng: Prng, operator: Operator): Set<Member> {
  const away = new Set<Member>();
  const states = world.members
    .filter(({ isGone }) => !isGone)
    .flatMap(({ machine, storage }) => [machine.confState, storage.current.confState]);
  if (operator.mayChange || prng.chance(0.3)) return away;
  const isThere = (id: number): boolean => {
    const member = world.member(id);
    return !member.isGone && !away.has(member);
  };
  for (const member of world.members) {
    if (member.isGone || !prng.chance(0.4)) continue;
    away.add(member);
    if (!states.every((state) => hasMajorities(state, isThere))) away.delete(member);
  }
  return away;
}

function hasMajorities(state: ConfState, isThere: (id: number) => boolean): boolean {
  return [state.voters, state.votersOutgoing].every(
    (ids) => ids.length === 0 || ids.filter(isThere).length * 2 > ids.length,
  );
}

/** True when the leader's members (those that are there) all have the leader's state. */
function agreed(world: World, away: ReadonlySet<Member>): boolean {
  const { leader } = world;
  if (leader === undefined) return false;
  const { voters, votersOutgoing, learners } = leader.machine.confState;
  if (votersOutgoing.length > 0 || !voters.includes(leader.id)) return false;
  if (leader.machine.index !== leader.node?.lastIndex) return false;
  return [...voters, ...learners].every((id) => {
    const member = world.member(id);
    if (member.isGone || away.has(member)) return true;
    return member.machine.index === leader.machine.index;
  });
}
