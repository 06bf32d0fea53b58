// What differs between two lists of the same objects. Lists of thousands differ in one or two: what is
// before and behind the difference is only compared by identity.

export interface ListChanges<T> {
  readonly gone: readonly T[];
  readonly come: readonly T[];
}

/** By identity, whatever the order. */
export function listChanges<T>(before: readonly T[], after: readonly T[]): ListChanges<T> {
  if (before === after) return { gone: [], come: [] };
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  let end = 0;
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  const old = new Set(before.slice(start, before.length - end));
  const now = new Set(after.slice(start, after.length - end));
  return {
    gone: [...old].filter((one) => !now.has(one)),
    come: [...now].filter((one) => !old.has(one)),
  };
}
