// Network attachments of users' containers: what a node asks of the managers for its own.
import { nodePrincipal, type AttachmentRequest } from '../../manager/index.ts';
import { parseAttachment } from './attachment-request.ts';
import { CALL_TIMEOUT_MS, type NodeClients } from './node-clients.ts';
import type { NodeService } from './node-service.ts';

const ATTACH = '/tsswarm.v1.Attachments/Attach';

export const attachService: NodeService = {
  proto: 'attachments.proto',
  access: { [ATTACH]: 'node' },

  serve(server, node) {
    server.unary<{ request: string }, object>(ATTACH, async ({ request }, { peer }) => {
      const nodeId = peer?.nodeId ?? '';
      const parsed = parseAttachment(request, nodeId);
      return node.manager().submit(nodePrincipal(nodeId), 'attachment.create', parsed);
    });
  },
};

/** Asks for the attachment of a container of this node to networks of the cluster. */
export async function requestAttachment(
  clients: NodeClients,
  managers: readonly string[],
  request: Omit<AttachmentRequest, 'nodeId'>,
): Promise<void> {
  const body = { request: JSON.stringify(request) };
  await clients.anyManager(managers, (client) =>
    client.unary<object>(ATTACH, body, CALL_TIMEOUT_MS),
  );
}
