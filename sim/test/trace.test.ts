// The trace of a simulated run: its hash and the lines it keeps.
import { describe, expect, it } from 'vitest';
import { Trace } from '../src/index.ts';

function traceOf(...lines: string[]): Trace {
  const trace = new Trace();
  for (const line of lines) trace.line(line);
  return trace;
}

describe('Trace', () => {
  it('has the same hash for the same lines', () => {
    expect(traceOf('a', 'b').hash).toBe(traceOf('a', 'b').hash);
    expect(traceOf('a', 'b').hash).toMatch(/^[0-9a-f]{16}$/);
  });

  it('has another hash for other lines, another order and other breaks', () => {
    const hashes = [traceOf('a', 'b'), traceOf('b', 'a'), traceOf('ab'), traceOf('a', 'c')];
    expect(new Set(hashes.map((trace) => trace.hash)).size).toBe(4);
  });

  it('keeps the last hundred lines', () => {
    const trace = traceOf(...Array.from({ length: 250 }, (_, i) => `line ${i}`));
    expect(trace.last(3)).toEqual(['line 247', 'line 248', 'line 249']);
    expect(trace.last(1000)).toHaveLength(100);
    expect(trace.last(1000)[0]).toBe('line 150');
    expect(traceOf('a').last(5)).toEqual(['a']);
  });

  it('shows each line as it comes', () => {
    const seen: string[] = [];
    const trace = new Trace((line) => seen.push(line));
    trace.line('one');
    trace.line('two');
    expect(seen).toEqual(['one', 'two']);
  });
});
