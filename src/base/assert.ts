// Assertions stay on in production: a broken invariant ends the process, and the cluster goes on
// without it, instead of spreading a wrong state.

/** Ends the current operation with an error when `condition` is false; for invariants, never for input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}

/** Marks a branch that the types exclude; `value` is shown if it is reached all the same. */
export function unreachable(value: never): never {
  throw new Error(`invariant broken: unexpected value ${JSON.stringify(value)}`);
}
