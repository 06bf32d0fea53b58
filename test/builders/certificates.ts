// A certificate authority for tests, with the subjects that the cluster's own one gives.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const YEAR_MS = 365 * 24 * 3600 * 1000;

/** PEM texts as the program takes them. */
export interface TestCertificate {
  readonly certificate: string;
  readonly key: string;
  readonly rootCertificates: string;
}

/** Issues certificates for the nodes of one cluster. */
export class TestAuthority {
  readonly clusterId: string;
  #root: { certificate: x509.X509Certificate; keys: webcrypto.CryptoKeyPair } | undefined;
  #serial = 1;

  readonly #parent: TestAuthority | undefined;

  /** With a parent: another cluster's name, signed by the same authority. */
  constructor(clusterId: string, parent?: TestAuthority) {
    this.clusterId = clusterId;
    this.#parent = parent;
  }

  async start(): Promise<void> {
    if (this.#parent !== undefined) {
      this.#root = this.#parent.#root;
      return;
    }
    x509.cryptoProvider.set(webcrypto as typeof globalThis.crypto);
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: '01',
      name: `CN=swarm-ca`,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + YEAR_MS),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    });
    this.#root = { certificate, keys };
  }

  async issue(nodeId: string, unit = 'swarm-manager'): Promise<TestCertificate> {
    const root = this.#root;
    if (root === undefined) throw new Error('the authority has not started');
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: (++this.#serial).toString(16).padStart(4, '0'),
      subject: `O=${this.clusterId}, OU=${unit}, CN=${nodeId}`,
      issuer: root.certificate.subject,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + YEAR_MS),
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: root.keys.privateKey,
    });
    const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    return {
      certificate: certificate.toString('pem'),
      key: x509.PemConverter.encode(key, 'PRIVATE KEY'),
      rootCertificates: root.certificate.toString('pem'),
    };
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}
