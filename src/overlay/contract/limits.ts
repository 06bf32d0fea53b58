// Every bound of the overlay, with its reason.

/** How long a removed endpoint is answered with a reset: longer than clients keep dead connections. */
export const REMOVED_ENDPOINT_MS = 5 * 60_000;

/** Removed endpoints remembered in one network; the oldest go first. */
export const MAX_REMOVED_ENDPOINTS = 10_000;

/** Namespaces that are worked on at once; more would only wait for the kernel's locks. */
export const MAX_PARALLEL_NAMESPACES = 4;

/** Between tries after a failure, and between tries to claim a port that another program holds. */
export const RETRY_BACKOFF = { minMs: 200, maxMs: 10_000 } as const;

/**
 * Between two looks at whether others changed what is ours, where the kernel does not tell of it: what they
 * broke is repaired within 10 s, also where one look shows only the first half of it.
 */
export const CHECK_INTERVAL_MS = 4_000;
/** The same where the kernel tells: for what it may have left out. */
export const FULL_LOOK_INTERVAL_MS = 60_000;
/** After it has told: what is changed closely together is seen by one look. */
export const LOOK_AFTER_CHANGE_MS = 250;
/** Between two looks for changes that go on and on, our own among them. */
export const LOOK_SPACING_MS = 2_000;

/** A key of an encrypted network's tunnels is used this long. */
export const KEY_PERIOD_MS = 24 * 3_600_000;

/** The other hosts have this long to answer to a new key; hosts that are down are not waited for. */
export const KEY_OFFER_MS = 60_000;

/** Networks of one task: routing tables and rules are numbered from a base. */
export const MAX_NETWORKS_PER_TASK = 64;

/** Bytes of the state file that are read at most. */
export const MAX_STATE_BYTES = 64 * 1024 * 1024;
