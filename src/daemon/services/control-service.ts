// Calls that only the leader can carry out, from the manager that took them.
import { setMaxListeners } from 'node:events';
import { SwarmError, type Peer } from '../../base/index.ts';
import {
  MANAGER,
  decodeRequest,
  decodeResponse,
  type ForwardedCall,
  type LeaderMethod,
  type LeaderMethods,
  type Manager,
} from '../../manager/index.ts';
import { CALL_TIMEOUT_MS, type NodeClients, type NodeTarget } from './node-clients.ts';
import type { NodeService } from './node-service.ts';

const CALL = '/tsswarm.v1.Control/Call';

interface ControlReply {
  readonly body: string;
  readonly index: number;
}

export const controlService: NodeService = {
  proto: 'control.proto',
  access: { [CALL]: 'manager' },

  serve(server, node) {
    server.unary<ForwardedCall, ControlReply>(CALL, async (call, { peer }) => {
      const manager = node.manager();
      const { method, body, principal } = call;
      // A new manager knows no leader yet: whoever it asks hands its call on.
      if (method !== 'leader.addMember') return manager.receive({ method, body, principal });
      const request = decodeRequest(method, body);
      checkSender(manager, request.nodeId, peer);
      const reply = await manager.forward('leader.addMember', request);
      return { body: JSON.stringify(reply), index: manager.view.index };
    });
  },
};

/** Sends a call to another manager; raises `unavailable` at once when `signal` aborts. */
export async function sendCall(
  clients: NodeClients,
  manager: NodeTarget,
  call: ForwardedCall,
  signal: AbortSignal,
): Promise<ControlReply> {
  const client = clients.of(manager);
  const reply = client.unary<ControlReply>(CALL, call, CALL_TIMEOUT_MS);
  if (signal.aborted) throw new SwarmError('unavailable', 'the leader has changed');
  // All calls to one leader share its signal, and many may be under way.
  setMaxListeners(0, signal);
  let abort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(new SwarmError('unavailable', 'the leader has changed'));
    signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([reply, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
    reply.catch(() => {});
  }
}

/** Asks any of the managers to have a method of their own carried out. */
export async function callAnyManager<M extends LeaderMethod>(
  clients: NodeClients,
  managers: readonly string[],
  method: M,
  request: LeaderMethods[M]['request'],
): Promise<LeaderMethods[M]['response']> {
  const principal = JSON.stringify(MANAGER);
  const call: ForwardedCall = { method, body: JSON.stringify(request), principal };
  const { body } = await clients.anyManager(managers, (client) =>
    client.unary<{ body: string }>(CALL, call, CALL_TIMEOUT_MS),
  );
  return decodeResponse(method, body);
}

/** A node may ask for its own membership only; managers hand on what others asked of them. */
function checkSender(manager: Manager, nodeId: string, peer: Peer | undefined): void {
  const sender = peer?.nodeId ?? '?';
  if (nodeId === sender || manager.view.get('node', sender)?.manager !== undefined) return;
  throw new SwarmError('denied', `node ${sender} can't speak for node ${nodeId}`);
}
