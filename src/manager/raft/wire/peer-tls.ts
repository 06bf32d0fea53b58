// Certificates of peer connections: ours, which may be replaced while connections last, and the
// identity in the other side's.
import { X509Certificate } from 'node:crypto';
import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import { credentials, experimental, type ChannelCredentials } from '@grpc/grpc-js';
import { SwarmError } from '../../../base/index.ts';
import type { TlsMaterial } from '../contract/index.ts';

/** The organizational unit of managers' certificates. */
export const MANAGER_UNIT = 'swarm-manager';

type CaListener = Parameters<experimental.CertificateProvider['addCaCertificateListener']>[0];
type IdentityListener = Parameters<
  experimental.CertificateProvider['addIdentityCertificateListener']
>[0];

/** Hands the newest certificate to the server for every new connection. */
export class TlsSource implements experimental.CertificateProvider {
  readonly #ca = new Set<CaListener>();
  readonly #identity = new Set<IdentityListener>();
  readonly #watchers = new Set<() => void>();
  #tls: TlsMaterial;

  constructor(tls: TlsMaterial) {
    this.#tls = tls;
  }

  /** Our cluster: the organization of our own certificate. */
  get clusterId(): string {
    return clusterOf(this.#tls.certificate);
  }

  update(tls: TlsMaterial): void {
    this.#tls = tls;
    for (const listener of this.#ca) listener(this.#caUpdate());
    for (const listener of this.#identity) listener(this.#identityUpdate());
    for (const watcher of this.#watchers) watcher();
  }

  /** Told of each new certificate. */
  onUpdate(watcher: () => void): void {
    this.#watchers.add(watcher);
  }

  /** Ours as Node's TLS wants it. */
  get context(): { readonly ca: string; readonly key: string; readonly cert: string } {
    const { rootCertificates, key, certificate } = this.#tls;
    return { ca: rootCertificates, key, cert: certificate };
  }

  /** For one connection to this node; any other certificate is refused. */
  clientContext(nodeId: string): ConnectionOptions {
    const checkServerIdentity = this.#identityCheck(nodeId);
    return { ...this.context, servername: MANAGER_UNIT, checkServerIdentity };
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#ca.add(listener);
    // The caller is not ready to be called back within this call.
    queueMicrotask(() => listener(this.#caUpdate()));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#ca.delete(listener);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identity.add(listener);
    queueMicrotask(() => listener(this.#identityUpdate()));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identity.delete(listener);
  }

  /** Credentials for one connection to this node; any other certificate is refused. */
  clientCredentials(nodeId: string): ChannelCredentials {
    const { rootCertificates, key, certificate } = this.#tls;
    return credentials.createSsl(
      Buffer.from(rootCertificates),
      Buffer.from(key),
      Buffer.from(certificate),
      { checkServerIdentity: this.#identityCheck(nodeId) },
    );
  }

  #identityCheck(nodeId: string): (host: string, peer: PeerCertificate) => Error | undefined {
    return (_host, peer) => {
      if (nodeOf(peer, this.clusterId) === nodeId) return undefined;
      return new Error(`the certificate of node ${nodeId} is another one's`);
    };
  }

  #caUpdate(): { caCertificate: Buffer } {
    return { caCertificate: Buffer.from(this.#tls.rootCertificates) };
  }

  #identityUpdate(): { certificate: Buffer; privateKey: Buffer } {
    return {
      certificate: Buffer.from(this.#tls.certificate),
      privateKey: Buffer.from(this.#tls.key),
    };
  }
}

/** The node id of a verified certificate; undefined unless it is a manager's of this cluster. */
export function nodeOf(peer: PeerCertificate | undefined, clusterId: string): string | undefined {
  const subject = peer?.subject;
  if (subject?.O !== clusterId || subject.OU !== MANAGER_UNIT) return undefined;
  return typeof subject.CN === 'string' && subject.CN !== '' ? subject.CN : undefined;
}

function clusterOf(certificate: string): string {
  const { subject } = new X509Certificate(certificate);
  const organization = subject.split('\n').find((line) => line.startsWith('O='));
  if (organization === undefined) {
    throw new SwarmError('invalid', `certificate without an organization: ${subject}`);
  }
  return organization.slice(2);
}
