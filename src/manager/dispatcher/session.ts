// One agent's session on this manager: sends the complete set of assignments, then differences. The
// set that the agent holds is known here, so a difference is computed against it alone.
import type { Connection } from '../../base/index.ts';
import type { AssignmentItem, AssignmentsMessage, DispatcherMessage } from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';
import { assignmentDifference } from './assignment-difference.ts';
import {
  NO_ASSIGNMENTS,
  networksOf,
  nodeAssignments,
  type NodeAssignments,
} from './assignments.ts';
import { ITEMS_PER_MESSAGE, ITEM_BYTES_PER_MESSAGE } from './limits.ts';

/** What an agent says is nothing yet: the dispatcher decodes it. */
export type AgentConnection = Connection<DispatcherMessage, unknown>;

export class AgentSession {
  readonly nodeId: string;
  readonly epoch: number;
  readonly connection: AgentConnection;
  /** Networks whose endpoints this agent is told. */
  networks: ReadonlySet<string> = new Set();
  /** Questions of this agent that wait for the leader. */
  endpointDrains = 0;
  /** Bytes of statuses that wait for the leader. */
  reportBytes = 0;
  /** Parts of a set that the agent did not read yet; the next set is worked out after them. */
  #parts: AssignmentsMessage[] = [];
  #writable = true;
  /** The store has changed since the last set. */
  #behind = false;
  #sent: NodeAssignments = NO_ASSIGNMENTS;
  #number = 0;
  #complete = false;
  /** Index of the newest set that was sent, and of the newest that was worked out. */
  #sentIndex = 0;
  #knownIndex = 0;
  #appliedIndex = -1;

  /** `view` is the store as it is whenever an agent that was slow reads again. */
  constructor(nodeId: string, epoch: number, connection: AgentConnection, view: () => StoreView) {
    this.nodeId = nodeId;
    this.epoch = epoch;
    this.connection = connection;
    connection.onDrain(() => {
      this.#writable = true;
      this.#sendParts();
      if (this.#behind && this.#parts.length === 0) this.sendAssignments(view());
    });
  }

  /**
   * Up to which index the host acts on the store: a set that was worked out and did not differ from
   * what the host has needs no word of it.
   */
  get covers(): number {
    return this.#appliedIndex >= this.#sentIndex ? this.#knownIndex : this.#appliedIndex;
  }

  /** The agent's word that it has applied the set of `index`. */
  applied(index: number): void {
    this.#appliedIndex = Math.max(this.#appliedIndex, index);
  }

  /**
   * Sends what changed since the last call (everything at the first). While the agent does not read,
   * nothing is worked out: it gets one difference to the newest state when it reads again.
   */
  sendAssignments(view: StoreView): void {
    this.#behind = !this.#writable || this.#parts.length > 0;
    if (this.#behind) return;
    const wanted = nodeAssignments(view, this.nodeId);
    this.networks = networksOf(view, this.nodeId);
    const difference = assignmentDifference(this.#sent, wanted);
    const removes = difference.removes.map(splitId);
    this.#sent = wanted;
    this.#knownIndex = view.index;
    if (this.#complete && difference.updates.length === 0 && removes.length === 0) return;
    this.#sentIndex = view.index;
    const groups = grouped(difference.updates);
    for (const [at, updates] of groups.entries()) {
      const last = at === groups.length - 1;
      this.#number++;
      this.#parts.push({
        complete: !this.#complete && at === 0,
        appliesTo: this.#number - 1,
        resultsIn: this.#number,
        index: last ? view.index : 0,
        updates,
        removes: last ? removes : [],
      });
    }
    this.#complete = true;
    this.#sendParts();
  }

  #sendParts(): void {
    while (this.#writable) {
      const assignments = this.#parts.shift();
      if (assignments === undefined) return;
      this.#writable = this.connection.send({ assignments });
    }
  }
}

/** Items in messages of a size that the wire takes; at least one message. */
function grouped(updates: readonly (readonly [string, string])[]): AssignmentItem[][] {
  let group: AssignmentItem[] = [];
  let bytes = 0;
  const groups = [group];
  for (const [id, body] of updates) {
    const full = group.length >= ITEMS_PER_MESSAGE || bytes + body.length > ITEM_BYTES_PER_MESSAGE;
    if (full && group.length > 0) {
      groups.push((group = []));
      bytes = 0;
    }
    group.push({ ...splitId(id), body });
    bytes += body.length;
  }
  return groups;
}

function splitId(id: string): { kind: string; key: string } {
  const at = id.indexOf('\n');
  return { kind: id.slice(0, at), key: id.slice(at + 1) };
}
