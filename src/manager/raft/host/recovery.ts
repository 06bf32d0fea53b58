// The start of a member: what log and snapshot together say, put into the cache that raft reads.
import {
  encodeConfChange,
  makeConfChange,
  MemoryStorage,
  type Entry,
  type HardState,
  type Snapshot,
} from 'raft-ts';
import { SwarmError } from '../../../base/index.ts';
import type { ConsensusOptions, HostPorts } from '../contract/index.ts';
import { encodeMembers } from '../wire/index.ts';
import { SnapshotStore, openWal, type RecoveredLog, type Wal } from '../log/index.ts';

/** What it needs to know of the member. */
export type RecoveryOptions = Pick<
  ConsensusOptions,
  'directory' | 'dataKey' | 'self' | 'start' | 'logSegmentBytes'
>;

/** A member's stable state. */
export interface Recovered {
  readonly storage: MemoryStorage;
  readonly wal: Wal;
  readonly snapshots: SnapshotStore;
  /** To be restored into the state machine. */
  readonly snapshot: Snapshot | undefined;
}

/**
 * Opens, or for `bootstrap` and `join` makes, the stable state. A log that is there already is gone on
 * with: the process may have been killed before it could remember that it had begun.
 */
export async function recover(
  options: RecoveryOptions,
  ports: Pick<HostPorts, 'disk' | 'random'>,
): Promise<Recovered> {
  const { directory, dataKey, self, start } = options;
  const files = { disk: ports.disk, random: ports.random, directory, dataKey };
  const snapshots = new SnapshotStore(files);
  const snapshot = await snapshots.open();
  const { wal, log } = await openWal({
    ...files,
    raftId: self.raftId,
    ...(options.logSegmentBytes === undefined ? {} : { segmentBytes: options.logSegmentBytes }),
  });
  const fresh = log.empty && snapshot === undefined;
  if (start.kind === 'restart' && fresh) {
    throw new SwarmError('notFound', `${directory} holds no raft log: bootstrap or join instead`);
  }
  const storage = fill(directory, snapshot, log);
  await noteSnapshot(storage, snapshot, log, wal);
  if (start.kind === 'bootstrap' && fresh) await bootstrap(options, storage, wal);
  return { storage, wal, snapshots, snapshot };
}

function fill(directory: string, snapshot: Snapshot | undefined, log: RecoveredLog): MemoryStorage {
  const storage = new MemoryStorage();
  const base = snapshot?.index ?? 0;
  if ((log.snapshot?.index ?? 0) > base) {
    throw missing(directory, `the snapshot at ${log.snapshot?.index ?? 0}`);
  }
  if (snapshot !== undefined) storage.applySnapshot(snapshot);
  const follows = continues(log, base, snapshot?.term ?? 0);
  if (follows && log.entries.length > 0 && log.previousIndex > base) {
    throw missing(directory, `entries ${base + 1} to ${log.previousIndex}`);
  }
  if (follows) storage.append(log.entries);
  storage.setHardState(raised(log.hardState, snapshot));
  return storage;
}

/** A snapshot holds committed entries only, and somebody led in its term. */
function raised(hardState: HardState, snapshot: Snapshot | undefined): HardState {
  const { index = 0, term = 0 } = snapshot ?? {};
  const commit = Math.max(hardState.commit, index);
  return hardState.term < term ? { term, vote: 0, commit } : { ...hardState, commit };
}

/**
 * A snapshot that took the place of the log is published before the log says so. Where a crash came
 * in between, the log must say it before anything is written behind it: else there would be a gap.
 */
async function noteSnapshot(
  storage: MemoryStorage,
  snapshot: Snapshot | undefined,
  log: RecoveredLog,
  wal: Wal,
): Promise<void> {
  if (snapshot === undefined || continues(log, snapshot.index, snapshot.term)) return;
  const { index, term } = snapshot;
  await wal.append({
    hardState: storage.initialState().hardState,
    entries: [],
    snapshot: { index, term },
  });
}

/** False when a newer snapshot of the leader has taken the place of the whole log. */
function continues(log: RecoveredLog, base: number, baseTerm: number): boolean {
  const last = log.previousIndex + log.entries.length;
  if (last < base) return false;
  const at: Entry | undefined = log.entries[base - log.previousIndex - 1];
  return at === undefined || at.term === baseTerm;
}

function missing(directory: string, what: string): SwarmError {
  return new SwarmError(
    'dataLoss',
    `${directory} lacks ${what}: restore this manager from a backup, or remove it from the ` +
      'cluster and let it join again',
  );
}

/** The first entry of a new cluster makes its first manager the only voter. */
async function bootstrap(
  options: RecoveryOptions,
  storage: MemoryStorage,
  wal: Wal,
): Promise<void> {
  const change = makeConfChange([{ type: 'addVoter', memberId: options.self.raftId }], {
    context: encodeMembers([options.self]),
  });
  const data = encodeConfChange(change);
  const entries: Entry[] = [{ index: 1, term: 1, type: 'confChangeV2', data }];
  const hardState = { term: 1, vote: 0, commit: 1 };
  await wal.append({ hardState, entries, snapshot: undefined });
  storage.setHardState(hardState);
  storage.append(entries);
}
