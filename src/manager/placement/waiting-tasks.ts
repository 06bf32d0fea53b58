// The tasks that wait for a node, by revision: all of one revision fit the same nodes. Those that were
// told why they wait are kept apart from those that were not, so that a group that finds no room is not
// gone through again and again.
import type { Task } from '../../model/index.ts';

/** The waiting tasks of one revision. */
export class WaitingGroup {
  /** Ids of tasks that were told `explanation`, oldest first. */
  readonly told = new Set<string>();
  /** Ids of tasks that are to be placed, or told. */
  readonly untold = new Set<string>();
  /** Ids of tasks that bring their node along (global services), and are to be tried. */
  readonly pinned = new Set<string>();
  /** What those that wait were told. */
  explanation: string | undefined;
  /** Something changed that may make room for those that were told. */
  retry = false;
  /** All that wait with a node of their own. */
  readonly allPinned = new Set<string>();

  get isEmpty(): boolean {
    return this.told.size + this.untold.size + this.allPinned.size === 0;
  }

  /** Whether there is something to do in the next plan. */
  get isDue(): boolean {
    return this.untold.size > 0 || this.pinned.size > 0 || (this.retry && this.told.size > 0);
  }

  /** At most `limit` ids of tasks to place, the longest waiting first. */
  next(limit: number): string[] {
    const ids: string[] = [];
    for (const set of this.retry ? [this.told, this.untold] : [this.untold]) {
      for (const id of set) {
        if (ids.length >= limit) return ids;
        ids.push(id);
      }
    }
    return ids;
  }

  /** No room for the rest: `explanation` is why. What they were told before is no longer true. */
  full(explanation: string | undefined): void {
    this.retry = false;
    if (this.explanation === explanation) return;
    this.explanation = explanation;
    const newer = [...this.untold];
    this.untold.clear();
    for (const id of [...this.told, ...newer]) this.untold.add(id);
    this.told.clear();
  }

  delete(id: string): void {
    for (const set of [this.told, this.untold, this.pinned, this.allPinned]) set.delete(id);
  }
}

/** All waiting tasks. */
export class WaitingTasks {
  readonly #groups = new Map<string, WaitingGroup>();
  /** Ids of tasks that wait for one node, by the node. */
  readonly #byNode = new Map<string, Map<string, string>>();
  /** Revisions that have something to do. */
  readonly due = new Set<string>();

  group(revisionId: string): WaitingGroup | undefined {
    return this.#groups.get(revisionId);
  }

  /** `isNew`: it has not been tried as it is. */
  add({ id, revisionId, nodeId }: Task, isNew: boolean): void {
    let group = this.#groups.get(revisionId);
    if (group === undefined) this.#groups.set(revisionId, (group = new WaitingGroup()));
    if (nodeId !== undefined) this.#pin(group, id, revisionId, nodeId, isNew);
    else if (isNew || !(group.told.has(id) || group.untold.has(id))) {
      group.told.delete(id);
      group.untold.add(id);
      this.due.add(revisionId);
    }
  }

  delete({ id, revisionId, nodeId }: Task): void {
    if (nodeId !== undefined) {
      const pinned = this.#byNode.get(nodeId);
      pinned?.delete(id);
      if (pinned?.size === 0) this.#byNode.delete(nodeId);
    }
    const group = this.#groups.get(revisionId);
    group?.delete(id);
    if (group?.isEmpty === true) this.#groups.delete(revisionId);
  }

  /** All groups for which `mayHaveRoom` are tried again. */
  retry(mayHaveRoom: (revisionId: string) => boolean): void {
    for (const [revisionId, group] of this.#groups) {
      if (group.told.size === 0 || !mayHaveRoom(revisionId)) continue;
      group.retry = true;
      this.due.add(revisionId);
    }
  }

  /** The tasks that wait for this node are tried again. */
  retryNode(nodeId: string): void {
    for (const [id, revisionId] of this.#byNode.get(nodeId) ?? []) {
      this.#groups.get(revisionId)?.pinned.add(id);
      this.due.add(revisionId);
    }
  }

  #pin(group: WaitingGroup, id: string, revisionId: string, nodeId: string, isNew: boolean): void {
    group.allPinned.add(id);
    let pinned = this.#byNode.get(nodeId);
    if (pinned === undefined) this.#byNode.set(nodeId, (pinned = new Map()));
    pinned.set(id, revisionId);
    if (!isNew) return;
    group.pinned.add(id);
    this.due.add(revisionId);
  }
}
