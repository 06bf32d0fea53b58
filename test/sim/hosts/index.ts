// Managers' raft hosts with their logs and snapshots on simulated disks and networks.
import { Trace, type SeedResult } from 'sim';

/** Runs one seed. */
export async function runHostsSeed(
  seed: number,
  options: { readonly trace?: Trace } = {},
): Promise<SeedResult> {
  const trace = options.trace ?? new Trace();
  trace.line(`seed ${seed}`);
  return { hash: trace.hash, events: trace.count, summary: 'nothing' };
}
