// The port of randomness, and the identifiers made from it.

export interface Random {
  /** `length` unpredictable bytes (in a simulation: bytes from the seed). */
  bytes(length: number): Uint8Array;
  /** An integer in [0, bound). */
  below(bound: number): number;
}

/** Bits of one limb of the number that becomes an id: with a remainder they stay exact in a double. */
const LIMB = 2 ** 24;
const LIMBS = 6;
/** Characters that one division gives, and what is divided by. */
const GROUP = 5;
const GROUP_VALUES = 36 ** GROUP;
const GROUPS = 5;

/** A new object id: 25 characters of base 36 as in SwarmKit, about 128 bits. */
export function newId(random: Random): string {
  const limbs = limbsOf(random.bytes(17));
  let id = '';
  for (let group = 0; group < GROUPS; group++) {
    let rest = 0;
    for (let i = 0; i < LIMBS; i++) {
      const value = rest * LIMB + (limbs[i] ?? 0);
      limbs[i] = Math.floor(value / GROUP_VALUES);
      rest = value % GROUP_VALUES;
    }
    id = rest.toString(36).padStart(GROUP, '0') + id;
  }
  return id;
}

/** 17 bytes as one number, the highest limb first; that one holds two bytes. */
function limbsOf(bytes: Uint8Array): number[] {
  const byte = (at: number): number => bytes[at] ?? 0;
  const limbs = [byte(0) * 256 + byte(1)];
  for (let at = 2; at < 17; at += 3) {
    limbs.push(byte(at) * 65_536 + byte(at + 1) * 256 + byte(at + 2));
  }
  return limbs;
}
