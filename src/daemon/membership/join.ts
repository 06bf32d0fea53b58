// A node's first contact with a cluster: fetches the root certificate, holds its digest against the
// one in the token, and only then shows the token's secret to get a certificate of its own.
import { SwarmError, decoder, record, text } from '../../base/index.ts';
import { FEATURE_LEVEL, parseJoinToken, tokenMatchesRoot } from '../../model/index.ts';
import { ISSUED, type Issued } from '../../manager/index.ts';
import {
  RpcClient,
  certificateDigest,
  createRequest,
  type WireMethod,
} from '../../platform/index.ts';
import { VERSION, formatAddress, parseAddress } from '../config/index.ts';

const TIMEOUT_MS = 10_000;
const decodeIssued = decoder(ISSUED, 'certificate');
const decodeRoot = decoder(record({ pem: text(1024 * 1024) }), 'root certificate');

/** Raises `invalid` for a wrong token, `unavailable` when no manager answers. */
export async function obtainCertificate(
  methods: ReadonlyMap<string, WireMethod>,
  remotes: readonly string[],
  token: string,
  availability: string,
): Promise<Issued & { key: string }> {
  parseJoinToken(token);
  let last: unknown = new SwarmError('invalid', 'at least one RemoteAddr is required to join');
  for (const remote of remotes) {
    try {
      return await joinThrough(methods, formatAddress(parseAddress(remote)), token, availability);
    } catch (error) {
      last = error;
      if (!(error instanceof SwarmError) || !error.temporary) throw error;
    }
  }
  throw last;
}

async function joinThrough(
  methods: ReadonlyMap<string, WireMethod>,
  address: string,
  token: string,
  availability: string,
): Promise<Issued & { key: string }> {
  const pem = await fetchRoot(methods, address);
  if (!tokenMatchesRoot(token, certificateDigest(pem))) {
    throw new SwarmError(
      'invalid',
      `remote CA does not match fingerprint: the join token is not of the cluster at ${address}`,
    );
  }
  const { key, csr } = await createRequest();
  const client = RpcClient.connectUnauthenticated(methods, address, pem);
  try {
    const issued = await client.unary<object>(
      '/tsswarm.v1.Ca/IssueCertificate',
      { csr, token, availability, featureLevel: FEATURE_LEVEL, version: VERSION },
      TIMEOUT_MS,
    );
    return { ...decodeIssued(issued), key };
  } finally {
    client.close();
  }
}

async function fetchRoot(
  methods: ReadonlyMap<string, WireMethod>,
  address: string,
): Promise<string> {
  const client = RpcClient.connectUnauthenticated(methods, address, undefined);
  try {
    const root = await client.unary<object>('/tsswarm.v1.Ca/GetRootCertificate', {}, TIMEOUT_MS);
    return decodeRoot(root).pem;
  } finally {
    client.close();
  }
}
