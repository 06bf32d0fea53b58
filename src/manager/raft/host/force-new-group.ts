// A group of one member out of state that is at hand: after the other managers are lost for good
// (`forceNewGroup`), or on a fresh machine out of a backup (`foundGroup`). Both come down to one
// snapshot that names the only voter; making it the newest one is the single step that counts.
import { decodeConfChange, emptyConfState, NO_LIMIT, type Snapshot } from 'raft-ts';
import { SwarmError, type Disk, type Random } from '../../../base/index.ts';
import { FORCED_INDEX_GAP, type CommittedEntry, type Member } from '../contract/index.ts';
import { MemberTable } from '../wire/index.ts';
import { recover, type RecoveryOptions } from './recovery.ts';
import { SnapshotStore } from '../log/index.ts';

/** Where the group's files are. */
export interface GroupFiles {
  readonly disk: Disk;
  readonly random: Random;
  readonly directory: string;
  /** 32 bytes. */
  readonly dataKey: Uint8Array;
}

/** A state, and where in the log of its group it was. */
export interface FoundingState {
  readonly index: number;
  readonly term: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** What takes up the state of the old group. */
export interface FoundingMachine {
  restore(index: number, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  apply(entries: readonly CommittedEntry[]): void | Promise<void>;
  snapshot(): AsyncIterable<Uint8Array>;
}

/**
 * Makes a group whose only voter is `self`; the next start (`restart`) leads it. Its log begins far
 * beyond `state.index`, since nodes may have seen more of the old log than what is known here, and
 * never take orders that are older than what they saw.
 */
export async function foundGroup(
  files: GroupFiles,
  self: Member,
  state: FoundingState,
): Promise<void> {
  const snapshots = new SnapshotStore(files);
  await snapshots.open();
  await publish(snapshots, new MemberTable(), self, state);
}

/**
 * Makes the member whose files these are the only one of its group. It keeps all entries of its log,
 * also those of which it never heard that they are committed: one of them may have been acknowledged.
 * The state machine is left with that state. Doing it twice does no harm. Raises what a start raises.
 */
export async function forceNewGroup(
  files: GroupFiles,
  self: Member,
  machine: FoundingMachine,
): Promise<void> {
  const { directory, dataKey } = files;
  const options: RecoveryOptions = { directory, dataKey, self, start: { kind: 'restart' } };
  const { storage, wal, snapshots, snapshot } = await recover(options, files);
  const table = new MemberTable();
  try {
    if (snapshot !== undefined) {
      table.decode(snapshot.data);
      await machine.restore(snapshot.index, snapshots.read(snapshot.index));
    }
    const [first, last] = [storage.firstIndex(), storage.lastIndex()];
    const entries = storage.entries(first, last + 1, NO_LIMIT);
    if (entries === undefined) {
      throw new SwarmError('dataLoss', `the log from ${first} to ${last} can't be read`);
    }
    for (const entry of entries) {
      const { index, term } = entry;
      const normal = entry.type === 'normal';
      if (!normal) table.learn(decodeConfChange(entry));
      await machine.apply([{ index, term, payload: normal ? entry.data : new Uint8Array(0) }]);
    }
    const term = Math.max(storage.initialState().hardState.term, storage.term(last) ?? 0);
    await publish(snapshots, table, self, { index: last, term, chunks: machine.snapshot() });
  } finally {
    await wal.close();
  }
}

async function publish(
  snapshots: SnapshotStore,
  table: MemberTable,
  self: Member,
  state: FoundingState,
): Promise<void> {
  // Whoever else was a member is refused from now on, should it come back.
  for (const { raftId } of table.all) if (raftId !== self.raftId) table.remove(raftId);
  table.put(self);
  const head: Snapshot = {
    index: state.index + FORCED_INDEX_GAP,
    term: Math.max(1, state.term),
    confState: { ...emptyConfState, voters: [self.raftId] },
    data: table.encode(),
  };
  await snapshots.publish(await snapshots.write(head, state.chunks));
}
