// Changing and removing nodes. Roles change in two steps: the role that the user wants is `spec.Role`; `role` follows
// once Raft membership and the certificate agree.
import { SwarmError } from '../../base/index.ts';
import { remove, specIndexOf, update, type Action, type Node } from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';
import type { ControlMethods } from './control.ts';
import { find } from '../queries/index.ts';
import { checkLabels } from './objects.ts';
import type { Change } from './services.ts';

/** A removed node's certificate is refused for at least this long when its expiry is unknown. */
const BLACKLIST_MS = 90 * 24 * 3_600_000;

/** Changes a node’s spec. Raises `notFound`, `outOfSequence`, `precondition` when no manager would be left. */
export function updateNode(
  view: StoreView,
  { id, version, spec }: ControlMethods['node.update']['request'],
): Change<object> {
  const node = find(view, 'node', id);
  if (specIndexOf(node) !== version) {
    throw new SwarmError('outOfSequence', 'update out of sequence');
  }
  if (!['worker', 'manager'].includes(spec.Role)) {
    throw new SwarmError(
      'invalid',
      `invalid node role ${JSON.stringify(spec.Role)}: use worker or manager`,
    );
  }
  if (!['active', 'pause', 'drain'].includes(spec.Availability)) {
    throw new SwarmError(
      'invalid',
      `invalid node availability ${JSON.stringify(spec.Availability)}: use active, pause or drain`,
    );
  }
  checkLabels('node', spec.Labels);
  if (node.spec.Role === 'manager' && spec.Role === 'worker') checkDemotion(view, node);
  return { actions: [update('node', { ...node, spec })], response: {} };
}

function checkDemotion(view: StoreView, node: Node): void {
  const others = [...view.all('node')].filter(
    (other) => other.id !== node.id && other.spec.Role === 'manager' && other.manager !== undefined,
  );
  if (others.length === 0) {
    throw new SwarmError('precondition', 'attempting to demote the last manager of the swarm');
  }
}

/** Removes a node. Raises `notFound`, `precondition` for one that is up or a manager. */
export function removeNode(
  view: StoreView,
  { id, force }: ControlMethods['node.remove']['request'],
  now: number,
): Change<object> {
  const node = find(view, 'node', id);
  if (node.spec.Role === 'manager' || node.manager !== undefined) {
    throw new SwarmError(
      'precondition',
      `node ${node.id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal`,
    );
  }
  if (!force && node.status.state === 'ready') {
    throw new SwarmError('precondition', `node ${node.id} is not down and can't be removed`);
  }
  const actions: Action[] = [remove('node', node.id, node.version)];
  if (view.get('session', node.id)) actions.push(remove('session', node.id));
  const cluster = view.cluster;
  if (cluster !== undefined) {
    const until = node.certificateExpiresAt ?? now + BLACKLIST_MS;
    const valid = Object.entries(cluster.blacklist).filter(([, expiresAt]) => expiresAt > now);
    const blacklist = { ...Object.fromEntries(valid), [node.id]: until };
    actions.push(update('cluster', { ...cluster, blacklist }));
  }
  return { actions, response: {} };
}
