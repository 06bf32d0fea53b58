// Encryption at rest: AES-256-GCM with a key of its own for every file, so that a counter is enough
// as nonce. A file is never continued after a restart; a nonce is thus never used twice.
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { SwarmError } from '../../../base/index.ts';

/** Bytes that sealing adds to a record. */
export const SEAL_BYTES = 16;
/** Bytes of the random part from which a file's key is made. */
export const SALT_BYTES = 16;

const KEY_BYTES = 32;
const CIPHER = 'aes-256-gcm';

/** Seals and opens the records of one file, each known by its place. */
export class Sealer {
  readonly #key: Uint8Array;

  /** `label` ties the key to the file's kind and name. */
  constructor(dataKey: Uint8Array, salt: Uint8Array, label: string) {
    if (dataKey.length !== KEY_BYTES) {
      throw new SwarmError('invalid', `data key has ${dataKey.length} bytes, want ${KEY_BYTES}`);
    }
    this.#key = new Uint8Array(hkdfSync('sha256', dataKey, salt, label, KEY_BYTES));
  }

  /** Each `ordinal` may be sealed once only. */
  seal(ordinal: number, plain: Uint8Array): readonly [Uint8Array, Uint8Array] {
    const cipher = createCipheriv(CIPHER, this.#key, nonce(ordinal));
    const sealed = cipher.update(plain);
    cipher.final();
    return [sealed, cipher.getAuthTag()];
  }

  /** Undefined when the bytes are not what was sealed under this key and ordinal. */
  open(ordinal: number, sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < SEAL_BYTES) return undefined;
    const split = sealed.length - SEAL_BYTES;
    const decipher = createDecipheriv(CIPHER, this.#key, nonce(ordinal));
    decipher.setAuthTag(sealed.subarray(split));
    const plain = decipher.update(sealed.subarray(0, split));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return new Uint8Array(plain.buffer, plain.byteOffset, plain.length);
  }
}

function nonce(ordinal: number): Uint8Array {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setBigUint64(4, BigInt(ordinal));
  return bytes;
}
