// Bounds of what sessions are sent, with their reasons.

/** Items of one assignments message, and their bytes: keeps it well below the limit of the wire. */
export const ITEMS_PER_MESSAGE = 2_000;
/** Their bytes, which end a message earlier. */
export const ITEM_BYTES_PER_MESSAGE = 4 * 1024 * 1024;
/**
 * Changes that a shared set remembers, or twice as many as it has items: a session that is further behind
 * is told the whole set.
 */
export const CHANGES_KEPT_MIN = 1_000;
