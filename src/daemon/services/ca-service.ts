// Certificates. The only service that answers without one.
import { SwarmError, decoder, type Peer } from '../../base/index.ts';
import { ISSUED, type Issued } from '../../manager/index.ts';
import { CALL_TIMEOUT_MS, type NodeClients } from './node-clients.ts';
import type { NodeService } from './node-service.ts';

const ROOT = '/tsswarm.v1.Ca/GetRootCertificate';
const ISSUE = '/tsswarm.v1.Ca/IssueCertificate';

const decodeIssued = decoder(ISSUED, 'certificate');

interface IssueRequest {
  readonly csr: string;
  readonly token: string;
  readonly availability: string;
  readonly featureLevel: number;
  readonly version: string;
}

export const caService: NodeService = {
  proto: 'ca.proto',
  access: { [ROOT]: 'anyone', [ISSUE]: 'anyone' },

  serve(server, node) {
    server.unary<object, { pem: string }>(ROOT, () =>
      Promise.resolve({ pem: node.rootCertificates() }),
    );
    server.unary<IssueRequest, Issued>(ISSUE, async (request, { peer, address }) => {
      const manager = node.manager();
      const { csr, token, availability: asked, featureLevel, version } = request;
      if (token === '') return manager.renew(csr, certified(peer, node.clusterId));
      const availability = asked === 'pause' || asked === 'drain' ? asked : 'active';
      const build = version === '' ? {} : { version: version.slice(0, 128) };
      const level = { featureLevel: Number.isSafeInteger(featureLevel) ? featureLevel : 0 };
      const from = address.replace(/:\d+$/, '');
      return manager.join({ csr, token, availability, from, ...level, ...build });
    });
  },
};

/** A new certificate for this node, with the role that the managers want it to have. */
export async function renewCertificate(
  clients: NodeClients,
  managers: readonly string[],
  csr: string,
): Promise<Issued> {
  const request = { csr, token: '', availability: '' };
  const issued = await clients.anyManager(managers, (client) =>
    client.unary<object>(ISSUE, request, CALL_TIMEOUT_MS),
  );
  return decodeIssued(issued);
}

function certified(peer: Peer | undefined, clusterId: string): Peer {
  if (peer?.clusterId === clusterId) return peer;
  throw new SwarmError(
    'unauthenticated',
    'a join token or a certificate of this cluster is required',
  );
}
