// Bounds of waiting before a task is stopped, with their reasons.

/**
 * How long a task that is to stop waits for the hosts that may still send it something; for those whose
 * daemon is being restarted as long as that may take.
 */
export const ENDPOINT_DRAIN_LIMIT_MS = 5_000;
/** Tasks that wait for hosts at the same time; one more is answered at once, as after the limit. */
export const ENDPOINT_DRAINS_MAX = 10_000;
