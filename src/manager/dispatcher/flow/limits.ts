// The bounds of what is on its way to agents, with their reasons.

/** Between two differences to an agent: changes that follow closely share one. */
export const ASSIGNMENTS_PAUSE_MS = 5;
/** Between two rounds to all that follow a set: this much for each of them, and no more than the second. */
export const ROUND_PAUSE_MS_PER_SESSION = 0.05;
/** The longest of these pauses. */
export const ROUND_PAUSE_MAX_MS = 200;
/** A turn of sending ends after this long, so that what came in meanwhile is heard. */
export const TURN_MS = 10;
/** Bytes of assignments that agents have not acknowledged: more wait until some have, or this long. */
export const IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024;
/** What was not acknowledged for so long holds nobody up. */
export const IN_FLIGHT_MS = 1_000;
