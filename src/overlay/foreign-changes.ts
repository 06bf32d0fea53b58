// Looks through the namespaces for what others changed: a flushed table, a deleted link or route, a
// namespace that is gone. Cheap when nothing was changed; the repair is the next pass's.
import type { Kernel } from './kernel.ts';
import { MAX_PARALLEL_NAMESPACES } from './limits.ts';
import type { NamespaceReconciler } from './namespace-reconciler.ts';

/**
 * Names of the namespaces to be repaired. Tasks' own are left out: only a task with the right to
 * change its network changes anything there, and then it is meant. Sandboxes that are gone lose their
 * reconciler, so that they are made anew.
 */
export async function foreignChanges(
  kernel: Kernel,
  reconcilers: Map<string, NamespaceReconciler>,
): Promise<string[]> {
  const existing = new Set(await kernel.listNamespaces());
  const queue = [...reconcilers].filter(([namespace]) => !namespace.startsWith('t-'));
  const changed: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [namespace, reconciler] = next;
      if (namespace.startsWith('n-') && !existing.has(namespace)) {
        reconcilers.delete(namespace);
        changed.push(namespace);
      } else if (await isChanged(reconciler)) {
        changed.push(namespace);
      }
    }
  };
  await Promise.all(Array.from({ length: MAX_PARALLEL_NAMESPACES }, work));
  return changed;
}

/** What can't be looked at is read anew by the next pass, which says what is wrong with it. */
async function isChanged(reconciler: NamespaceReconciler): Promise<boolean> {
  try {
    return await reconciler.check();
  } catch {
    reconciler.forget();
    return true;
  }
}
