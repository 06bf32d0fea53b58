import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { abortedWith } from './abort.ts';

describe('abortedWith', () => {
  it('aborts with the signal, also when that was before', () => {
    const outer = new AbortController();
    const inner = abortedWith(outer.signal);
    expect(inner.signal.aborted).toBe(false);
    outer.abort();
    expect(inner.signal.aborted).toBe(true);
    expect(abortedWith(outer.signal).signal.aborted).toBe(true);
  });

  // Every task that had run stayed in the daemon's memory.
  it('lets go of the signal when it aborts', () => {
    const outer = new AbortController();
    abortedWith(outer.signal).abort();
    expect(getEventListeners(outer.signal, 'abort')).toEqual([]);
    abortedWith(outer.signal);
    outer.abort();
    expect(getEventListeners(outer.signal, 'abort')).toEqual([]);
  });
});
