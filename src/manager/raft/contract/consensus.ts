// The contract between the managers' store and Raft. Behind it Raft's core, log, snapshots and peer
// connections live in a worker thread; only batches of bytes cross over.

/** An entry that a quorum has on disk. */
export interface CommittedEntry {
  /** Raft log index: the `version` of all objects that this entry writes. */
  readonly index: number;
  readonly term: number;
  /** What was proposed; empty for entries that Raft itself needs. */
  readonly payload: Uint8Array;
}

/** A member of the Raft group; `address` is host:port of its Raft port. */
export interface Member {
  readonly raftId: number;
  readonly nodeId: string;
  /** host:port of its Raft listener. */
  readonly address: string;
}

/** How this member sees the group. */
export interface ConsensusStatus {
  readonly raftId: number;
  readonly term: number;
  readonly leader: Member | undefined;
  readonly isLeader: boolean;
  readonly members: readonly Member[];
  /** Raft ids of the members that vote; a new member does once it has caught up. */
  readonly voters: readonly number[];
  /** Members from which something was heard within an election time-out; the leader's view. */
  readonly active: readonly number[];
  readonly appliedIndex: number;
}

/** What the owner (the store) does for Raft. Calls come in log order and one at a time. */
export interface ConsensusHandler {
  /** Applies entries; synchronous. An exception is a broken invariant and ends the manager. */
  apply(entries: readonly CommittedEntry[]): void;
  /**
   * Serialises the whole state as of the last applied entry, in chunks; must not block for long. The
   * first `next()` is called at once and must fix the view before it waits for anything; entries are
   * applied between later ones.
   */
  snapshot(): AsyncIterable<Uint8Array>;
  /** Replaces the whole state. */
  restore(index: number, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Leader, term or membership changed. */
  statusChanged(status: ConsensusStatus): void;
  /** The log or the thread is broken (failed fsync, full disk, damage): the manager must stop. */
  failed(error: Error): void;
}

/** This member of the group, from its manager’s side. */
export interface Consensus {
  readonly status: ConsensusStatus;
  /**
   * Resolves with the index once the payload is committed AND has been given to `handler.apply`.
   * Rejects with `unavailable` when this manager is not the leader, leads in another term than the
   * status at the call says, or lost leadership; in the last case the outcome is unknown (the entry may
   * still be committed).
   */
  propose(payload: Uint8Array): Promise<number>;
  /** Resolves when this manager has applied everything that was committed at the time of the call (read index). */
  barrier(): Promise<void>;
  /**
   * Leader only: adds a member; resolves when that is committed. It votes as soon as it has caught up
   * (until then it cannot cost the others their quorum); several that have begin to vote in one step.
   * Adding the same member again does nothing; `conflict` for a raft id or node that is taken.
   */
  addMember(member: Member): Promise<void>;
  /**
   * Leader only: removes those that are members, several in one step (joint consensus). Refuses
   * (`precondition`) when the rest could not form a quorum of active members. A leader asked to remove
   * itself hands over, once the others are gone, and rejects with `unavailable`: ask the next leader.
   */
  removeMember(...raftIds: number[]): Promise<void>;
  /** Hands leadership to another member, or to the most up-to-date one. */
  transferLeadership(to?: number): Promise<void>;
  /** Certificates for the peer connections (PEM); effective for new connections at once. */
  updateTls(tls: TlsMaterial): void;
  /** Stores what is left, hands leadership over within 500 ms if there is somebody to take it, ends. */
  close(): Promise<void>;
}

/** Key, certificate and roots as PEM. */
export interface TlsMaterial {
  readonly certificate: string;
  readonly key: string;
  readonly rootCertificates: string;
}

/** How a member starts; times in ms. */
export interface ConsensusOptions {
  /** Directory for log and snapshots, mode 0700. */
  readonly directory: string;
  readonly self: Member;
  /** host:port to listen on for peers. */
  readonly listenAddress: string;
  /**
   * `bootstrap`: first manager of a new cluster; `join`: wait for the leader to send us the log;
   * `restart`: from disk. The first two go on with a log of this member that is there already.
   */
  readonly start:
    | { readonly kind: 'bootstrap' }
    | { readonly kind: 'join'; readonly members: readonly Member[] }
    | { readonly kind: 'restart' };
  readonly tls: TlsMaterial;
  readonly tickMs: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Entries between snapshots. */
  readonly snapshotInterval: number;
  /** Bytes of entries after which a snapshot is taken in any case; 64 MiB when absent. */
  readonly snapshotLogBytes?: number;
  /** Entries kept behind a snapshot for followers that are a little late; 500 when absent. */
  readonly snapshotKeepEntries?: number;
  /** Bytes of one segment of the log; 16 MiB when absent. */
  readonly logSegmentBytes?: number;
  /** 32 bytes: the key that seals log and snapshots (wrapped key handling is the caller's). */
  readonly dataKey: Uint8Array;
}
