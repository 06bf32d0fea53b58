// "Did you mean …": the known word that is nearest to a mistyped one.

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a.charAt(i - 1) === b.charAt(j - 1);
      const above = rows[i - 1] ?? [];
      let best = Math.min(
        (above[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (above[j - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped =
        i > 1 &&
        j > 1 &&
        a.charAt(i - 1) === b.charAt(j - 2) &&
        a.charAt(i - 2) === b.charAt(j - 1);
      if (swapped) best = Math.min(best, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      row.push(best);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}

/** The nearest of `known`, unless even that is another word altogether. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const simple = (text: string): string => text.toLowerCase().replaceAll('-', '_');
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(simple(word), simple(candidate));
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Longer lists help nobody. */
const LISTED_MAX = 12;

/** `: did you mean "image"?`, or all there is when nothing is near; empty when that is too much. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  if (near !== undefined) return `: did you mean ${JSON.stringify(near)}?`;
  const few = known.length > 0 && known.length <= LISTED_MAX;
  return few ? ` (known are ${[...known].sort().join(', ')})` : '';
}
