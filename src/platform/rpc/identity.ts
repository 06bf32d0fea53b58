// A node's TLS identity: certificate, key and the roots it trusts. Changing it takes effect for new
// connections at once, without restarting servers or clients.
import { experimental } from '@grpc/grpc-js';

export interface TlsPems {
  /** The node's own certificate, then intermediates. */
  readonly certificate: string;
  readonly key: string;
  readonly rootCertificates: string;
}

type CaListener = experimental.CaCertificateUpdateListener;
type IdentityListener = experimental.IdentityCertificateUpdateListener;

export class TlsIdentity implements experimental.CertificateProvider {
  #pems: TlsPems;
  readonly #caListeners = new Set<CaListener>();
  readonly #identityListeners = new Set<IdentityListener>();
  readonly #watchers = new Set<(pems: TlsPems) => void>();

  constructor(pems: TlsPems) {
    this.#pems = pems;
  }

  get pems(): TlsPems {
    return this.#pems;
  }

  update(pems: TlsPems): void {
    this.#pems = pems;
    for (const listener of this.#caListeners) listener(this.#ca());
    for (const listener of this.#identityListeners) listener(this.#own());
    for (const watcher of this.#watchers) watcher(pems);
  }

  onUpdate(watcher: (pems: TlsPems) => void): void {
    this.#watchers.add(watcher);
  }

  offUpdate(watcher: (pems: TlsPems) => void): void {
    this.#watchers.delete(watcher);
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#caListeners.add(listener);
    // The caller is not ready to be called back within this call.
    queueMicrotask(() => listener(this.#ca()));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#caListeners.delete(listener);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.add(listener);
    queueMicrotask(() => listener(this.#own()));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.delete(listener);
  }

  #ca(): experimental.CaCertificateUpdate {
    return { caCertificate: Buffer.from(this.#pems.rootCertificates) };
  }

  #own(): experimental.IdentityCertificateUpdate {
    return {
      certificate: Buffer.from(this.#pems.certificate),
      privateKey: Buffer.from(this.#pems.key),
    };
  }
}
