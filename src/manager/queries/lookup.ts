// Finds objects the way Docker's API does: by full id, then by full name (a node's is its host name),
// then by a prefix of the id that only one object has.
import { SwarmError } from '../../base/index.ts';
import { containerName, type Tables } from '../../model/index.ts';
import type { NamedTable, StoreView } from '../store/index.ts';

/** Tables whose objects users name. */
export type Findable = NamedTable | 'node' | 'task';

/** Raises `notFound` ("service x not found") or `invalid` when several are meant. */
export function find<K extends Findable>(view: StoreView, table: K, reference: string): Tables[K] {
  if (reference === '') throw new SwarmError('notFound', `${table} ${reference} not found`);
  const exact = view.get(table, reference);
  if (exact !== undefined && isShown(exact)) return exact;
  const named = namedObjects(view, table, reference);
  const [first, second] = named;
  if (first !== undefined && second === undefined) return first;
  if (second !== undefined) throw ambiguous(table, reference, named.length, 'use the id');
  const matches: Tables[K][] = [];
  for (const object of view.all(table)) {
    if (object.id.startsWith(reference) && isShown(object)) matches.push(object);
  }
  const [only, other] = matches;
  if (only === undefined) throw new SwarmError('notFound', `${table} ${reference} not found`);
  if (other === undefined) return only;
  throw ambiguous(table, reference, matches.length, 'use more characters of the id');
}

function ambiguous(table: string, reference: string, count: number, way: string): SwarmError {
  return new SwarmError(
    'invalid',
    `${table} ${reference} is ambiguous (${count} matches found): ${way}`,
  );
}

/** Network attachments of users' containers are tasks to the managers alone. */
export function isShown(object: object): boolean {
  return !('attachment' in object) || object.attachment === undefined;
}

function namedObjects<K extends Findable>(
  view: StoreView,
  table: K,
  name: string,
): readonly Tables[K][] {
  if (table === 'node') {
    const nodes = [...view.all('node')];
    return nodes.filter((node) => node.description?.hostname === name) as Tables[K][];
  }
  if (table === 'task') return taskOfName(view, name) as Tables[K][];
  const named = view.byName(table as NamedTable, name);
  return named === undefined ? [] : [named as Tables[K]];
}

/** Docker's name of a task has its id at the end: service.slot.id. */
function taskOfName(view: StoreView, name: string): readonly Tables['task'][] {
  const task = view.get('task', name.slice(name.lastIndexOf('.') + 1));
  if (task === undefined || !isShown(task)) return [];
  const service = view.get('revision', task.revisionId)?.spec.Name ?? '';
  return containerName(service, task) === name ? [task] : [];
}
