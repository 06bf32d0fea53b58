// The port of randomness, and the identifiers made from it.

export interface Random {
  /** `length` unpredictable bytes (in a simulation: bytes from the seed). */
  bytes(length: number): Uint8Array;
  /** An integer in [0, bound). */
  below(bound: number): number;
}

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

/** A new object id: 25 characters of base 36 as in SwarmKit, about 128 bits. */
export function newId(random: Random): string {
  let value = 0n;
  for (const byte of random.bytes(17)) value = (value << 8n) | BigInt(byte);
  let id = '';
  for (let i = 0; i < 25; i++) {
    id = ALPHABET[Number(value % 36n)] + id;
    value /= 36n;
  }
  return id;
}
