// Looks through the namespaces for what others changed: a flushed table, a deleted link or route, a
// namespace that is gone. Cheap when nothing was changed; the repair is the next pass's.
import { messageOf } from '../../base/index.ts';
import type { Kernel } from '../kernel/index.ts';
import { MAX_PARALLEL_NAMESPACES } from '../contract/index.ts';
import type { NamespaceReconciler } from './namespace-reconciler.ts';

export interface ForeignChange {
  readonly namespace: string;
  /** One thing of it that is not as wanted. */
  readonly what: string;
}

/**
 * The namespaces to be repaired. Tasks' own are left out: only a task with the right to
 * change its network changes anything there, and then it is meant. Sandboxes that are gone lose their
 * reconciler, so that they are made anew.
 */
export async function foreignChanges(
  kernel: Kernel,
  reconcilers: Map<string, NamespaceReconciler>,
): Promise<ForeignChange[]> {
  const existing = new Set(await kernel.listNamespaces());
  const queue = [...reconcilers].filter(([namespace]) => !namespace.startsWith('t-'));
  const changed: ForeignChange[] = [];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [namespace, reconciler] = next;
      if (namespace.startsWith('n-') && !existing.has(namespace)) {
        reconcilers.delete(namespace);
        changed.push({ namespace, what: 'the namespace itself' });
      } else {
        const what = await changeIn(reconciler);
        if (what !== undefined) changed.push({ namespace, what });
      }
    }
  };
  await Promise.all(Array.from({ length: MAX_PARALLEL_NAMESPACES }, work));
  return changed;
}

/** What can't be looked at is read anew by the next pass, which says what is wrong with it. */
async function changeIn(reconciler: NamespaceReconciler): Promise<string | undefined> {
  try {
    return await reconciler.check();
  } catch (error) {
    reconciler.forget();
    return messageOf(error);
  }
}
