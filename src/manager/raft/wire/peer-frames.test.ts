// Frames in whatever pieces they arrive.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameSplitter, framed } from './peer-frames.ts';

describe('frames', () => {
  it('are put together from any pieces', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
    const sizes = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(bodies, sizes, (sent, pieces) => {
        const bytes = framed(...sent);
        const splitter = new FrameSplitter(300);
        const received: Uint8Array[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const end = Math.min(bytes.length, at + (pieces[i % pieces.length] ?? 1));
          received.push(...splitter.push(bytes.subarray(at, end)));
          at = end;
        }
        expect(received.map((body) => [...body])).toEqual(sent.map((body) => [...body]));
      }),
    );
  });

  it('that claim more than they may are refused before they are there', () => {
    const splitter = new FrameSplitter(10);
    const head = framed(new Uint8Array(11)).subarray(0, 4);
    expect(() => splitter.push(head)).toThrow('a frame of 11 bytes: 10 at most');
  });
});
