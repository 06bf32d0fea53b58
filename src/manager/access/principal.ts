// Who asks. Every call that changes the cluster carries its principal to the leader, which decides again.
import { oneOf, record, text, type Decoded } from '../../base/index.ts';

/** Who asks, as it goes along with a call. */
export const PRINCIPAL = record({
  /**
   * operator: whoever can open a daemon's API socket. node: a node of the cluster, for itself.
   * manager: the managers themselves.
   */
  kind: oneOf('operator', 'node', 'manager'),
  /** Id of the node; '' for the others. */
  nodeId: text(64),
});
/** See PRINCIPAL. */
export type Principal = Decoded<typeof PRINCIPAL>;

/** Whoever can open a daemon’s socket. */
export const OPERATOR: Principal = { kind: 'operator', nodeId: '' };
/** The managers themselves. */
export const MANAGER: Principal = { kind: 'manager', nodeId: '' };

/** The principal of a node that asks for something of its own. */
export function nodePrincipal(nodeId: string): Principal {
  return { kind: 'node', nodeId };
}

/** For messages and logs. */
export function principalText({ kind, nodeId }: Principal): string {
  return nodeId === '' ? kind : `${kind} ${nodeId}`;
}
