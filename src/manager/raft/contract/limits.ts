// Every bound of this folder, with its reason.

/** Bytes of one log segment: some seconds of full load, so that old ones can be dropped early. */
export const WAL_SEGMENT_BYTES = 16 * 1024 * 1024;
/** Bytes of log entries written with one sync: beyond this, waiting longer gains nothing. */
export const WAL_BATCH_BYTES = 4 * 1024 * 1024;
/** Bytes of one record in a log or snapshot file; a longer one is damage. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes of one piece of a snapshot, on disk and on the wire. */
export const SNAPSHOT_CHUNK_BYTES = 256 * 1024;
/** Snapshots kept; one is enough since a new one replaces it only when it is complete. */
export const SNAPSHOTS_KEPT = 1;
/** Bytes of log behind which a snapshot is taken, however few entries they are: bounds disk and memory. */
export const SNAPSHOT_LOG_BYTES = 64 * 1024 * 1024;
/** Entries kept behind a snapshot, so that a slow follower needs no whole snapshot (as SwarmKit). */
export const COMPACTION_KEEP_ENTRIES = 500;
/** The same in bytes: beyond it a snapshot is the shorter way. */
export const COMPACTION_KEEP_BYTES = 16 * 1024 * 1024;
/** Bytes of one proposal: the store's transactions are far below. */
export const PROPOSAL_BYTES_MAX = 4 * 1024 * 1024;
/** Proposals waiting for their outcome at one manager. */
export const PROPOSALS_PENDING_MAX = 16_384;
/** Bytes of proposals not yet committed and applied; beyond it, proposals are refused. */
export const UNCOMMITTED_BYTES_MAX = 32 * 1024 * 1024;
/** Bytes of entries in one append message; larger ones only delay what comes behind them. */
export const APPEND_MESSAGE_BYTES = 1024 * 1024;
/** Append messages on their way to one member, and their bytes. */
export const INFLIGHT_MESSAGES_MAX = 256;
/** Bytes of entries on their way to one member. */
export const INFLIGHT_BYTES_MAX = 16 * 1024 * 1024;
/**
 * Bytes of entries handed to the store and not yet applied by it: what it applies in one turn of the event
 * loop, some hundred transactions. One larger entry goes alone.
 */
export const UNAPPLIED_BYTES_MAX = 128 * 1024;
/** Messages and bytes that wait for one peer's connection; beyond it they are dropped. */
export const PEER_QUEUE_MESSAGES_MAX = 4096;
/** Bytes that wait for one member. */
export const PEER_QUEUE_BYTES_MAX = 32 * 1024 * 1024;
/** Bytes of one frame between peers: an append message with one proposal of the greatest size. */
export const FRAME_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of messages gathered into one frame. */
export const FRAME_GATHER_BYTES = 512 * 1024;
/** Removed members remembered, to refuse them; ids are never used again. */
export const REMOVED_MEMBERS_MAX = 1000;
/** Members that we have met and whose joining we have not seen in the log yet. */
export const MEMBERS_MET_MAX = 16;
/** Reads that wait for a confirmation by a quorum. */
export const BARRIERS_PENDING_MAX = 16_384;
/** Entries by which a learner may lag when it is made a voter. */
export const PROMOTION_LAG_ENTRIES = 100;
/** Waiting times of `close` and of connections. */
export const CLOSE_TRANSFER_MS = 500;
/** Between two looks whether leadership has gone. */
export const HANDOVER_POLL_MS = 10;
/** Members that find their leader dead stand one after another, each at a moment within this. */
export const STAND_SOON_MS_MAX = 150;
/** First pause before a new connection to a member. */
export const RECONNECT_MIN_MS = 50;
/** Longest one. */
export const RECONNECT_MAX_MS = 1000;
/** After a connection that lasted as long as this the pauses begin anew. */
export const STABLE_CONNECTION_MS = 5000;
/** Bytes of the reason that a peer gives for refusing us. */
export const REFUSAL_BYTES_MAX = 1024;
/** Refused peers remembered, so that each is logged once and not at every try. */
export const REFUSED_PEERS_MAX = 100;
/** A cut link is noticed after the sum of these two. */
export const KEEPALIVE_TIME_MS = 2000;
/** An answer to a ping may take this long. */
export const KEEPALIVE_TIMEOUT_MS = 1500;
/** A peer's TLS handshake. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** After so long without a word the kernel asks whether a caller is still there. */
export const INCOMING_KEEPALIVE_MS = 10_000;
/** Log indexes skipped when a group is founded anew: more than a cluster writes while one manager is away. */
export const FORCED_INDEX_GAP = 1_000_000_000;
