import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { systemClock } from './system-clock.ts';

const DAY_MS = 24 * 3_600_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('waits for longer than a timer of Node can', () => {
  const fired = vi.fn<() => void>();
  systemClock.after(100 * DAY_MS, fired);
  vi.advanceTimersByTime(99 * DAY_MS);
  expect(fired).not.toHaveBeenCalled();
  vi.advanceTimersByTime(DAY_MS);
  expect(fired).toHaveBeenCalledOnce();
});

it('can be told not to, at any time', () => {
  const fired = vi.fn<() => void>();
  const timer = systemClock.after(100 * DAY_MS, fired);
  vi.advanceTimersByTime(50 * DAY_MS);
  timer.cancel();
  vi.advanceTimersByTime(100 * DAY_MS);
  expect(fired).not.toHaveBeenCalled();
});

it('fires at once what is to wait for nothing, but not before its caller is done', async () => {
  vi.useRealTimers();
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    systemClock.after(0, () => {
      order.push('this');
      resolve();
    });
    order.push('its caller');
  });
  expect(order).toEqual(['its caller', 'this']);
});

it('does not fire what was cancelled, although it was to wait for nothing', async () => {
  vi.useRealTimers();
  const fired = vi.fn<() => void>();
  systemClock.after(0, fired).cancel();
  await new Promise((resolve) => {
    systemClock.after(0, () => resolve(undefined));
  });
  expect(fired).not.toHaveBeenCalled();
});
