// One agent's session on this manager: sends the complete set of assignments, then differences. The
// set that the agent holds is known here, so a difference is computed against it alone.
import type { Connection } from '../../base/index.ts';
import type { AgentMessage, AssignmentItem, DispatcherMessage } from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';
import { assignmentDifference } from './assignment-difference.ts';
import {
  NO_ASSIGNMENTS,
  networksOf,
  nodeAssignments,
  type NodeAssignments,
} from './assignments.ts';
import { ITEMS_PER_MESSAGE } from './limits.ts';

export type AgentConnection = Connection<DispatcherMessage, AgentMessage>;

export class AgentSession {
  readonly nodeId: string;
  readonly epoch: number;
  readonly connection: AgentConnection;
  /** Networks whose endpoints this agent is told. */
  networks: ReadonlySet<string> = new Set();
  /** Questions of this agent that wait for the leader. */
  withdrawals = 0;
  #sent: NodeAssignments = NO_ASSIGNMENTS;
  #number = 0;
  #complete = false;
  /** Index of the newest set that was sent, and of the newest that was worked out. */
  #sentIndex = 0;
  #knownIndex = 0;
  #appliedIndex = -1;

  constructor(nodeId: string, epoch: number, connection: AgentConnection) {
    this.nodeId = nodeId;
    this.epoch = epoch;
    this.connection = connection;
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

  /** Sends what changed since the last call (everything at the first). */
  sendAssignments(view: StoreView): void {
    const wanted = nodeAssignments(view, this.nodeId);
    this.networks = networksOf(view, this.nodeId);
    const difference = assignmentDifference(this.#sent, wanted);
    const updates = difference.updates.map(([id, body]): AssignmentItem => ({
      ...splitId(id),
      body,
    }));
    const removes = difference.removes.map(splitId);
    this.#sent = wanted;
    this.#knownIndex = view.index;
    if (this.#complete && updates.length === 0 && removes.length === 0) return;
    this.#sentIndex = view.index;
    for (let start = 0; start === 0 || start < updates.length; start += ITEMS_PER_MESSAGE) {
      const last = start + ITEMS_PER_MESSAGE >= updates.length;
      this.#number++;
      this.connection.send({
        assignments: {
          complete: !this.#complete && start === 0,
          appliesTo: this.#number - 1,
          resultsIn: this.#number,
          index: last ? view.index : 0,
          updates: updates.slice(start, start + ITEMS_PER_MESSAGE),
          removes: last ? removes : [],
        },
      });
    }
    this.#complete = true;
  }
}

function splitId(id: string): { kind: string; key: string } {
  const at = id.indexOf('\n');
  return { kind: id.slice(0, at), key: id.slice(at + 1) };
}
