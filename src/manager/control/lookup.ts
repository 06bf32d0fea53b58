// Finds objects the way Docker's API does: by full id, then by full name, then by a prefix of the id
// that only one object has.
import { SwarmError } from '../../base/index.ts';
import type { Tables } from '../../model/index.ts';
import type { NamedTable, StoreView } from '../store/index.ts';

type Findable = NamedTable | 'node' | 'task';

/** Raises `notFound` ("service x not found") or `invalid` when the prefix is ambiguous. */
export function find<K extends Findable>(view: StoreView, table: K, reference: string): Tables[K] {
  const exact = view.get(table, reference);
  if (exact !== undefined) return exact;
  if (table !== 'node' && table !== 'task') {
    const named = view.byName(table as NamedTable, reference);
    if (named !== undefined) return named as Tables[K];
  }
  const matches: Tables[K][] = [];
  if (reference !== '') {
    for (const object of view.all(table)) {
      if (object.id.startsWith(reference)) matches.push(object);
    }
  }
  const [first, second] = matches;
  if (first === undefined) throw new SwarmError('notFound', `${table} ${reference} not found`);
  if (second !== undefined) {
    throw new SwarmError(
      'invalid',
      `${table} ${reference} is ambiguous (${matches.length} matches found): use more characters of the id`,
    );
  }
  return first;
}
