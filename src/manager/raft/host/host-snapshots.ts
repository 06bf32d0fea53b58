// Snapshots as the host handles them: taken every so many entries, sent to members that need one,
// received from the leader.
import {
  NO_LIMIT,
  type ConfState,
  type Entry,
  type MemoryStorage,
  type Message,
  type Snapshot,
} from 'raft-ts';
import { messageOf, SwarmError, type Logger } from '../../../base/index.ts';
import {
  COMPACTION_KEEP_BYTES,
  SNAPSHOT_LOG_BYTES,
  type PeerTransport,
  type StateMachine,
} from '../contract/index.ts';
import type { HostMembers } from './host-members.ts';
import type { SnapshotDraft, SnapshotStore, Wal } from '../log/index.ts';

/** What it works on. */
export interface HostSnapshotsPorts {
  readonly storage: MemoryStorage;
  readonly wal: Wal;
  readonly snapshots: SnapshotStore;
  /** The one started from. */
  readonly snapshot: Snapshot | undefined;
  /** Entries between snapshots, and their bytes: whichever is reached first. */
  readonly interval: number;
  readonly logBytes: number | undefined;
  /** Entries kept in memory behind a snapshot. */
  readonly keepEntries: number;
  readonly machine: StateMachine;
  readonly logger: Logger;
  readonly transport: PeerTransport;
  /** Gives a message to raft and carries out what follows. */
  step(message: Message): void;
  /** Runs something between two batches of the state machine; says how far it has applied. */
  between(call: (applied: number) => void): Promise<void>;
  readonly members: HostMembers;
  /** A snapshot has reached a member, or not. */
  delivered(raftId: number, ok: boolean): void;
}

/** The snapshots of one host. */
export class HostSnapshots {
  readonly #ports: HostSnapshotsPorts;
  #nextAt: number;
  /** Bytes applied since the last snapshot. */
  #bytes = 0;
  #taking: Promise<void> | undefined;
  #received: { draft: SnapshotDraft; claimed: boolean } | undefined;
  #receiving = false;

  constructor(ports: HostSnapshotsPorts) {
    this.#ports = ports;
    this.#nextAt = (ports.snapshot?.index ?? 0) + ports.interval;
  }

  /** Takes a snapshot of what has just been applied, if it is time; writing it goes on behind. */
  applied(entries: readonly Entry[]): void {
    for (const { data } of entries) this.#bytes += data.length;
    const index = entries.at(-1)?.index ?? 0;
    const full = this.#bytes >= (this.#ports.logBytes ?? SNAPSHOT_LOG_BYTES);
    if (full || index >= this.#nextAt) this.#takeNow(index);
  }

  #takeNow(applied: number): void {
    const term = this.#ports.storage.term(applied);
    if (term === undefined || this.#taking !== undefined) return;
    this.#nextAt = applied + this.#ports.interval;
    this.#bytes = 0;
    const { confState, table } = this.#ports.members;
    const head: Snapshot = { index: applied, term, confState, data: table.encode() };
    const chunks = this.#ports.machine.snapshot();
    this.#taking = this.#take(head, chunks)
      .catch((error: unknown) => {
        // The log still has everything; the next one may succeed.
        this.#ports.logger.warn({ index: applied, error: messageOf(error) }, 'snapshot failed');
      })
      .finally(() => {
        this.#taking = undefined;
      });
  }

  async #take(head: Snapshot, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { storage, snapshots, wal } = this.#ports;
    const draft = await snapshots.write(head, chunks);
    if ((storage.snapshot()?.index ?? 0) >= head.index) {
      // The leader's was newer.
      await snapshots.discard(draft);
      return;
    }
    await snapshots.publish(draft);
    storage.createSnapshot(head.index, head.confState, head.data);
    storage.compact(keepAfter(storage, head.index, this.#ports.keepEntries));
    await wal.dropUpTo(head.index);
  }

  /** Sends the newest snapshot (MsgSnap) with the state behind it. */
  send(message: Message): void {
    this.#send(message).then(
      (ok) => this.#ports.delivered(message.to, ok),
      (error: unknown) => {
        const index = message.snapshot?.index ?? 0;
        this.#ports.logger.warn(
          { to: message.to, index, error: messageOf(error) },
          'snapshot not delivered',
        );
        this.#ports.delivered(message.to, false);
      },
    );
  }

  /** False when it was not sent, because the next one will be of more use. */
  async #send(message: Message): Promise<boolean> {
    const { to, snapshot } = message;
    if (snapshot === undefined) return false;
    if (knows(snapshot.confState, to)) {
      const chunks = this.#ports.snapshots.read(snapshot.index);
      await this.#ports.transport.sendSnapshot(message, chunks);
      return true;
    }
    // A new member takes no snapshot that is older than its membership.
    await this.#taking;
    if (!knows(this.#ports.storage.snapshot()?.confState, to)) {
      await this.#ports.between((applied) => this.#takeNow(applied));
      await this.#taking;
    }
    return false;
  }

  /** Stores a snapshot of the leader aside, and asks raft whether it wants it. */
  async receive(message: Message, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { snapshot } = message;
    if (snapshot === undefined) throw new SwarmError('invalid', 'MsgSnap without a snapshot');
    if (this.#receiving || this.#received !== undefined) {
      throw new SwarmError('unavailable', 'another snapshot is being received: retry later');
    }
    this.#receiving = true;
    try {
      const draft = await this.#ports.snapshots.write(snapshot, chunks);
      const received = { draft, claimed: false };
      this.#received = received;
      this.#ports.step(message);
      if (received.claimed) return;
      this.#received = undefined;
      await this.#ports.snapshots.discard(draft);
    } finally {
      this.#receiving = false;
    }
  }

  /** Raft wants the snapshot that was just received. */
  claim(snapshot: Snapshot): void {
    if (this.#received?.draft.index === snapshot.index) this.#received.claimed = true;
  }

  /** Makes it count, durably. */
  async publish(id: { readonly index: number }): Promise<void> {
    const received = this.#received;
    if (received?.draft.index !== id.index) {
      throw new SwarmError('internal', `no snapshot at ${id.index} was received`);
    }
    await this.#ports.snapshots.publish(received.draft);
    this.#received = undefined;
  }

  /** Gives the state behind it to the state machine. */
  async restore(snapshot: Snapshot): Promise<void> {
    const { machine, snapshots, wal } = this.#ports;
    await machine.restore(snapshot.index, snapshots.read(snapshot.index));
    this.#nextAt = snapshot.index + this.#ports.interval;
    this.#bytes = 0;
    await wal.dropUpTo(snapshot.index);
  }

  /** Resolves when nothing is being written any more. */
  async stop(): Promise<void> {
    await this.#taking;
  }
}

/** The index behind which entries stay in memory for followers that are a little late. */
function keepAfter(storage: MemoryStorage, index: number, keepEntries: number): number {
  const first = Math.max(storage.firstIndex(), index - keepEntries + 1);
  const entries = storage.entries(first, index + 1, NO_LIMIT) ?? [];
  let bytes = 0;
  for (const entry of entries.toReversed()) {
    bytes += entry.data.length;
    if (bytes > COMPACTION_KEEP_BYTES) return entry.index;
  }
  return first - 1;
}

function knows(state: ConfState | undefined, raftId: number): boolean {
  if (state === undefined) return false;
  return [...state.voters, ...state.votersOutgoing, ...state.learners].includes(raftId);
}
