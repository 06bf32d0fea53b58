// Where a manager's log and snapshots are, below its node's directory, and how they go for good.
import type { Disk } from '../../base/index.ts';

/** The directory of log and snapshots. */
export function raftDirectory(directory: string): string {
  return `${directory}/raft`;
}

/**
 * Removes log and snapshots durably, so that a new member starts without them: a log that came back
 * after a crash would be taken for the new member's, and keep its manager from starting.
 */
export async function forgetLog(disk: Disk, directory: string): Promise<void> {
  await disk.makeDirectory(directory);
  await disk.remove(raftDirectory(directory));
  await disk.syncDirectory(directory);
}
