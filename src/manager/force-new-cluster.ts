// The first transaction of a cluster whose managers are lost but for one, or that comes out of a
// backup: the node that leads now is its only manager, all others are workers until somebody promotes
// them again.
import { update, type Action, type Node } from '../model/index.ts';
import type { StoreView } from './store/index.ts';

/** The node that takes over. */
export interface Successor {
  readonly id: string;
  readonly raftId: number;
  /** host:port of its gRPC and Raft listeners. */
  readonly address: string;
  readonly raftAddress: string;
  /** Milliseconds since 1970. */
  readonly certificateExpiresAt: number;
  readonly availability: 'active' | 'pause' | 'drain';
}

/** Nothing for what is so already: doing it twice does no harm. */
export function forceNewClusterActions(view: StoreView, self: Successor, now: number): Action[] {
  const { id, raftId, address, raftAddress, certificateExpiresAt, availability } = self;
  const manager = { raftId, address, raftAddress };
  const actions: Action[] = [];
  let known = false;
  for (const node of view.all('node')) {
    if (node.id === id) {
      known = true;
      actions.push(update('node', { ...node, role: 'manager', manager }));
    } else if (node.manager !== undefined || node.spec.Role === 'manager') {
      actions.push(update('node', demoted(node)));
    }
  }
  if (!known) {
    actions.push({
      kind: 'addNode',
      object: {
        id,
        spec: { Role: 'manager', Availability: availability, Labels: {} },
        role: 'manager',
        certificateExpiresAt,
        manager,
        status: { state: 'unknown', message: '', address, dataPathAddress: '', since: now },
      },
    });
  }
  return actions;
}

/** Its certificate still says manager; it gets a worker's as soon as it asks. */
function demoted(node: Node): Node {
  const { manager: _lost, ...rest } = node;
  return { ...rest, spec: { ...node.spec, Role: 'worker' } };
}
