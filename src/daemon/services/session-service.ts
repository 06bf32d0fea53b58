// The agents' sessions.
import type { AgentMessage, DispatcherMessage } from '../../model/index.ts';
import type { DispatcherConnection } from '../../worker/index.ts';
import type { NodeClients } from './node-clients.ts';
import type { NodeService } from './node-service.ts';

const SESSION = '/tsswarm.v1.Dispatcher/Session';

export const sessionService: NodeService = {
  proto: 'dispatcher.proto',
  access: { [SESSION]: 'node' },

  serve(server, node) {
    server.duplex<object, DispatcherMessage>(SESSION, (connection, { peer, address }) => {
      node.manager().serveAgent(peer?.nodeId ?? '', connection, address);
    });
  },
};

/**
 * A stream to a manager's dispatcher, on a connection of its own: every role may have one, so it outlives
 * `reconnect`. A promoted node must not fall silent while the managers take it in.
 */
export function dialDispatcher(clients: NodeClients, address: string): DispatcherConnection {
  const client = clients.connect({ address, hasHeartbeats: true });
  const stream = client.duplex<AgentMessage, object>(SESSION);
  stream.onClose(() => client.close());
  return stream;
}
