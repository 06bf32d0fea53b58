// Identifiers: the digits of a number of 17 bytes.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import { newId, type Random } from './random.ts';

const fixed = (bytes: readonly number[]): Random => ({
  bytes: () => Uint8Array.from(bytes),
  below: () => 0,
});

/** The same, one digit after another. */
function slowId(bytes: Uint8Array): string {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  let id = '';
  for (let i = 0; i < 25; i++) {
    id = (value % 36n).toString(36) + id;
    value /= 36n;
  }
  return id;
}

describe('an id', () => {
  it.each([
    ['nothing but zeroes', Array<number>(17).fill(0)],
    ['one', [...Array<number>(16).fill(0), 1]],
    ['the largest number', Array<number>(17).fill(255)],
    ['the first byte alone', [255, ...Array<number>(16).fill(0)]],
  ])('has the digits of %s', (_name, bytes) => {
    expect(newId(fixed(bytes))).toBe(slowId(Uint8Array.from(bytes)));
  });

  it('has the digits of any number', () => {
    const random = new Prng('ids');
    for (let i = 0; i < 2_000; i++) {
      const bytes = random.bytes(17);
      expect(newId(fixed([...bytes]))).toBe(slowId(bytes));
    }
  });

  it('is 25 characters of base 36, and another one each time', () => {
    const random = new Prng('ids');
    const ids = Array.from({ length: 1_000 }, () => newId(random));
    expect(ids.filter((id) => !/^[0-9a-z]{25}$/.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(1_000);
  });
});
