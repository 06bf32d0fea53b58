// What other nodes may do here: less than their certificates say once they were demoted or removed. A
// manager knows it from its store at each call; a worker from what managers last told it.
import type { Peer } from '../../base/index.ts';
import type { ClusterInfo, StoreChange } from '../../model/index.ts';
import type { StoreView } from '../../manager/index.ts';

type Role = Peer['role'];

export class PeerRoles {
  readonly #view: () => StoreView | undefined;
  readonly #disconnect: (nodeId: string) => void;
  #blacklist: ReadonlySet<string> = new Set();
  /** Undefined until a manager has told it. */
  #managers: ReadonlySet<string> | undefined;

  /** `disconnect` ends everything that a node has open here. */
  constructor(view: () => StoreView | undefined, disconnect: (nodeId: string) => void) {
    this.#view = view;
    this.#disconnect = disconnect;
  }

  /** Undefined: it was removed from the cluster. */
  roleOf({ nodeId, role }: Peer): Role | undefined {
    const view = this.#view();
    if (this.#blacklist.has(nodeId)) return undefined;
    if (Object.hasOwn(view?.cluster?.blacklist ?? {}, nodeId)) return undefined;
    const node = view?.get('node', nodeId);
    // One that this store does not know yet was just added: its certificate is what there is.
    if (node !== undefined) return node.spec.Role === 'manager' ? role : 'worker';
    if (this.#managers?.has(nodeId) === false && view === undefined) return 'worker';
    return role;
  }

  /** What the managers say to this node's agent. */
  told(info: ClusterInfo): void {
    const before = this.#managers;
    this.#blacklist = new Set(info.blacklist);
    for (const nodeId of info.blacklist) this.#disconnect(nodeId);
    // Earlier releases don't tell it.
    if (info.managerIds === undefined || info.managerIds.length === 0) return;
    this.#managers = new Set(info.managerIds);
    for (const nodeId of before ?? []) {
      if (!this.#managers.has(nodeId)) this.#disconnect(nodeId);
    }
  }

  /** On a manager: a node that was removed or demoted loses what it has open at once. */
  observe(changes: readonly StoreChange[]): void {
    for (const { table, before, after } of changes) {
      if (table !== 'node' || before === undefined) continue;
      const wasManager = before.spec.Role === 'manager';
      const isManager = after?.spec.Role === 'manager';
      if (after === undefined || (wasManager && !isManager)) this.#disconnect(before.id);
    }
  }
}
