// Numbers as payloads: commands, read requests and snapshots are known by number in a run.

/** Four bytes, and `padding` more to fill messages with. */
export function encodeNumber(value: number, padding: number): Uint8Array {
  const bytes = new Uint8Array(4 + padding);
  for (let i = 0; i < 4; i++) bytes[i] = (value >>> (i * 8)) & 0xff;
  return bytes;
}

/** The number in front; 0 for no bytes. */
export function decodeNumber(bytes: Uint8Array): number {
  let value = 0;
  for (let i = 3; i >= 0; i--) value = value * 256 + (bytes[i] ?? 0);
  return value;
}
