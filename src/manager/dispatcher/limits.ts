// The dispatcher's bounds, with their reasons.

/** Lists of items up to this length go into one message with others; a message costs more than they do. */
export const SMALL_LIST = 16;
/** Reports that wait for the leader; more are dropped, the agent repeats what was not recorded. */
export const REPORTS_QUEUED_MAX = 100_000;
/** Reports in one call to the leader. */
export const REPORTS_PER_CALL = 2_000;
/** Bytes of statuses in one call: a call of the largest ones still fits the wire. */
export const REPORT_BYTES_PER_CALL = 4 * 1024 * 1024;
/** Bytes of one node's statuses that wait for the leader; a node with 10,000 tasks says less at once. */
export const REPORT_BYTES_PER_SESSION_MAX = 8 * 1024 * 1024;
/** Periods without a heartbeat until a node is down. */
export const MISSED_HEARTBEATS = 3;
/** A manager that was heard within this many periods counts as alive for those that speak through it. */
export const HEARD_HEARTBEATS = 2;
/** Periods that a new leader gives every node to be heard from. */
export const GRACE_HEARTBEATS = 4;
/**
 * After a start without a leader all of the cluster may be coming back (a power cut, an upgrade):
 * nodes get this long to be heard from, since their containers may still run.
 */
export const RESTART_GRACE_MS = 20_000;
/**
 * A node whose machine answers while its daemon does not is being restarted or upgraded: its tasks run
 * on. It gets this long from its last heartbeat to be heard from again.
 */
export const RESTART_LIMIT_MS = 10_000;
/** How long a machine may take to answer on the node's port; asked ahead of the deadline. */
export const PROBE_LIMIT_MS = 500;
/** Nodes that are asked at the same time; the others are as silent as their heartbeats say. */
export const PROBES_MAX = 64;
/** Heartbeats of all sessions go to the leader so often in a heartbeat period at most. */
export const BEATS_PER_PERIOD = 2;
/** Registrations under way at the same time; the others wait, and are told that somebody is there. */
export const REGISTRATIONS_MAX = 64;
/** Agents that wait to be registered; one more has to come again. */
export const REGISTRATIONS_WAITING_MAX = 20_000;
/** Those that wait hear something this often: an agent gives up after 5 s of silence. */
export const WAITING_HEARTBEAT_MS = 1_000;
/** Between two calls that tell the leader what hosts have applied. */
export const APPLIED_PAUSE_MS = 10;
/** Questions of one agent that wait for the leader; the agent asks those beyond again. */
export const ENDPOINT_DRAINS_PER_SESSION_MAX = 1_000;
