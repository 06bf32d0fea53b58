// The stream on which a manager tells the leader of its sessions' heartbeats.
import {
  MANAGER,
  decodeResponse,
  type HeartbeatMessage,
  type HeartbeatStream,
  type Manager,
} from '../../manager/index.ts';
import type { NodeClients, NodeTarget } from './node-clients.ts';
import type { NodeService } from './node-service.ts';

const HEARTBEATS = '/tsswarm.v1.Control/Heartbeats';
/** Of one manager, while this one is getting ready to lead. */
const UNDER_WAY_MAX = 4;

export const heartbeatsService: NodeService = {
  proto: 'control.proto',
  access: { [HEARTBEATS]: 'manager' },

  serve(server, node) {
    server.duplex<HeartbeatMessage, HeartbeatMessage>(HEARTBEATS, (connection) =>
      serveHeartbeats(node.manager(), connection),
    );
  },
};

/** A stream to the manager that leads, on a connection of its own. */
export function openHeartbeats(clients: NodeClients, manager: NodeTarget): HeartbeatStream {
  const client = clients.connect({ ...manager, hasHeartbeats: true });
  const stream = client.duplex<HeartbeatMessage, HeartbeatMessage>(HEARTBEATS);
  stream.onClose(() => client.close());
  return stream;
}

/** A manager that does not lead, or not any more, ends the stream with the reason. */
function serveHeartbeats(manager: Manager, connection: HeartbeatStream): void {
  const principal = JSON.stringify(MANAGER);
  let underWay = 0;
  connection.onMessage(({ body }) => {
    // Newer ones are on their way.
    if (underWay >= UNDER_WAY_MAX) return;
    underWay++;
    manager
      .receive({ method: 'leader.heartbeats', body, principal })
      .then(
        (reply) => {
          const { refused } = decodeResponse('leader.heartbeats', reply.body);
          if (refused.length > 0) connection.send({ body: reply.body });
        },
        (error: unknown) =>
          connection.close(error instanceof Error ? error : new Error(String(error))),
      )
      .finally(() => underWay--);
  });
}
