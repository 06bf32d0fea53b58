import { describe, expect, it } from 'vitest';
import { AttributeWriter, readAttributes, readMessages } from './netlink-attributes.ts';

function message(): Buffer {
  const writer = new AttributeWriter(7, 1);
  writer.raw(Uint8Array.of(2, 0, 0, 0));
  writer.u32(5, 42);
  writer.bytes(6, Uint8Array.of(1, 2, 3));
  return Buffer.from(writer.finish().bytes);
}

describe('answers of the kernel', () => {
  it('are taken apart', () => {
    const one = message();
    const [first, second, ...more] = readMessages(Buffer.concat([one, one]));
    expect(more).toEqual([]);
    expect(second?.type).toBe(7);
    const attributes = readAttributes(first?.body ?? Buffer.alloc(0), 4);
    expect(attributes.get(5)?.readUInt32LE(0)).toBe(42);
    expect(attributes.get(6)).toEqual(Buffer.from([1, 2, 3]));
  });

  it('that are cut anywhere never pass for whole ones', () => {
    const one = message();
    for (let length = 1; length < one.length; length++) {
      expect(() => [...readMessages(one.subarray(0, length))]).toThrow('can’t be read');
    }
    const body = one.subarray(16);
    // Between attributes, and without the padding behind the last one.
    const whole = new Set([4, 12, body.length - 1]);
    for (let length = 5; length < body.length; length++) {
      if (whole.has(length)) continue;
      expect(() => readAttributes(body.subarray(0, length), 4)).toThrow('can’t be read');
    }
  });
});
