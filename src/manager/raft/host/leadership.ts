// Changes of leadership that need not wait for an election time-out: a planned handover, and a leader
// whose process is known to be dead.
import type { RawNode } from 'raft-ts';
import { sleep, type Clock, type Random } from '../../../base/index.ts';
import { HANDOVER_POLL_MS, STAND_SOON_MS_MAX } from '../contract/index.ts';

/** Waits until the member no longer leads; false when it still does after `limitMs`. */
export async function lostLeadership(
  node: RawNode,
  clock: Clock,
  limitMs: number,
): Promise<boolean> {
  const deadline = clock.monotonicMs() + limitMs;
  while (node.isLeader && clock.monotonicMs() < deadline) await sleep(clock, HANDOVER_POLL_MS);
  return !node.isLeader;
}

/**
 * Nobody listens at the leader's address: forgets it, so that this member no longer keeps others from
 * being elected, and stands for election after a moment of its own. If the leader is alive after all, its
 * next heartbeat makes it known again, and the others, who hear it, give no pre-votes.
 */
export function standSoon(
  node: RawNode,
  clock: Clock,
  random: Random,
  guarded: (stand: () => void) => void,
): void {
  const { term } = node;
  node.forgetLeader();
  clock.after(random.below(STAND_SOON_MS_MAX), () =>
    guarded(() => {
      if (node.lead === 0 && node.role === 'follower' && node.term === term) node.campaign();
    }),
  );
}
