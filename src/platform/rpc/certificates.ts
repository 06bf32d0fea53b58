// X.509 for the cluster's own authority: P-256 keys, names as SwarmKit gives them (CN = node id,
// OU = role, O = cluster id). The library behind it is loaded only when a certificate is made.
import { X509Certificate, createHash, webcrypto } from 'node:crypto';
import { SwarmError } from '../../base/index.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** Clocks of machines differ: certificates are valid from an hour ago on. */
const BACKDATE_MS = 3_600_000;
const ROOT_LIFETIME_MS = 20 * 365 * 24 * 3_600_000;

export interface KeyAndCertificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly key: string;
}

export interface Subject {
  readonly nodeId: string;
  readonly role: 'manager' | 'worker';
  readonly clusterId: string;
}

async function library(): Promise<typeof import('@peculiar/x509')> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto as never);
  return x509;
}

/** A new root certificate with its key. */
export async function createRoot(now: number): Promise<KeyAndCertificate> {
  const x509 = await library();
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: 'CN=swarm-ca',
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + ROOT_LIFETIME_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: root.toString('pem'), key: await exportKey(keys.privateKey) };
}

/** A new key and a request for its certificate (both PEM). */
export async function createRequest(): Promise<{ key: string; csr: string }> {
  const x509 = await library();
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=node',
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return { key: await exportKey(keys.privateKey), csr: csr.toString('pem') };
}

/**
 * Signs a node's certificate. Of the request only the public key counts (its self-signature is
 * checked); names come from `subject`. Raises `invalid` for a request that is none.
 */
export async function signCertificate(
  root: KeyAndCertificate,
  csrPem: string,
  subject: Subject,
  lifetimeMs: number,
  now: number,
): Promise<{ certificate: string; expiresAt: number }> {
  const x509 = await library();
  const csr = await parseRequest(x509, csrPem);
  const issuer = new x509.X509Certificate(root.certificate);
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    pemBytes(root.key),
    ALGORITHM,
    false,
    ['sign'],
  );
  const expiresAt = now + lifetimeMs;
  const unit = subject.role === 'manager' ? 'swarm-manager' : 'swarm-worker';
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [subject.nodeId] }, { OU: [unit] }, { O: [subject.clusterId] }],
    issuer: issuer.subject,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(expiresAt),
    signingAlgorithm: ALGORITHM,
    publicKey: await csr.publicKey.export(),
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment,
        true,
      ),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.clientAuth,
        x509.ExtendedKeyUsage.serverAuth,
      ]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: unit },
        { type: 'dns', value: subject.nodeId },
      ]),
      await x509.SubjectKeyIdentifierExtension.create(csr.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), expiresAt };
}

/** SHA-256 of the certificate's DER form: what a join token carries. */
export function certificateDigest(pem: string): Uint8Array {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest();
}

/** From when to when a certificate holds, ms since 1970. */
export function certificateValidity(pem: string): { from: number; to: number } {
  const { validFrom, validTo } = new X509Certificate(pem);
  return { from: Date.parse(validFrom), to: Date.parse(validTo) };
}

/** The two fields that the API shows of an issuer: raw subject and public key, base64 of DER. */
export function issuerInfo(pem: string): { subject: string; publicKey: string } {
  const certificate = new X509Certificate(pem);
  const publicKey = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return {
    subject: Buffer.from(certificate.subject).toString('base64'),
    publicKey: publicKey.toString('base64'),
  };
}

async function parseRequest(
  x509: typeof import('@peculiar/x509'),
  pem: string,
): Promise<InstanceType<typeof x509.Pkcs10CertificateRequest>> {
  try {
    const csr = new x509.Pkcs10CertificateRequest(pem);
    if (await csr.verify()) return csr;
  } catch (error) {
    throw new SwarmError('invalid', 'the certificate request cannot be read', { cause: error });
  }
  throw new SwarmError('invalid', 'the certificate request is not signed by its own key');
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const bytes = await webcrypto.subtle.exportKey('pkcs8', key);
  const body = Buffer.from(bytes)
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
    .trimEnd();
  return `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`;
}

function pemBytes(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
}

/** Positive, as RFC 5280 wants it. */
function serialNumber(): string {
  const bytes = Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)));
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x40, 0);
  return bytes.toString('hex');
}
