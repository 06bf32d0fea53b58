// Join tokens in Docker's form: SWMTKN-1-<digest of the root certificate>-<secret>, both in base 36.
// The digest lets a joiner tell its cluster from an impostor before it shows the secret.
import { SwarmError, type Random } from '../../base/index.ts';

const DIGEST_LENGTH = 50;
const SECRET_LENGTH = 25;
const SECRET_BYTES = 16;
const FORM = /^SWMTKN-1-([0-9a-z]{50})-([0-9a-z]{25})$/;

/** `digest` is the SHA-256 of the root certificate's DER form. */
export function createJoinToken(digest: Uint8Array, random: Random): string {
  const secret = base36(random.bytes(SECRET_BYTES), SECRET_LENGTH);
  return `SWMTKN-1-${base36(digest, DIGEST_LENGTH)}-${secret}`;
}

/** Raises `invalid` for anything that is not a whole token. */
export function parseJoinToken(token: string): { digest: string; secret: string } {
  const [, digest, secret] = FORM.exec(token.trim()) ?? [];
  if (digest === undefined || secret === undefined) {
    throw new SwarmError(
      'invalid',
      'invalid join token: it must be the whole SWMTKN-1-… line that `tsswarm swarm join-token` prints',
    );
  }
  return { digest, secret };
}

/** Whether the certificate with this digest is the one that the token was made for. */
export function tokenMatchesRoot(token: string, digest: Uint8Array): boolean {
  return parseJoinToken(token).digest === base36(digest, DIGEST_LENGTH);
}

function base36(bytes: Uint8Array, length: number): string {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value.toString(36).padStart(length, '0');
}
