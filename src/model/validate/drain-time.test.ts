import { describe, expect, it } from 'vitest';
import { DRAIN_LABEL, drainTimeMs } from './drain-time.ts';

describe('drainTimeMs', () => {
  it.each([
    ['0', 0],
    ['500ms', 500],
    ['10s', 10_000],
    ['1m30s', 90_000],
    ['1.5s', 1_500],
    ['1h', 3_600_000],
  ])('reads %s', (text, milliseconds) => {
    expect(drainTimeMs({ [DRAIN_LABEL]: text })).toBe(milliseconds);
  });

  it('is two seconds for a service that says nothing', () => {
    expect(drainTimeMs({})).toBe(2_000);
    expect(drainTimeMs(undefined)).toBe(2_000);
  });

  it.each(['', '10', '-1s', 'soon', '10 s', '2h', '1d', '10s!'])('refuses %j', (text) => {
    expect(() => drainTimeMs({ [DRAIN_LABEL]: text })).toThrow(
      `label tsswarm.drain=${JSON.stringify(text)} must be a duration from 0 to 1h, such as 10s`,
    );
  });
});
