import { createServer } from 'node:net';
import { VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import type { PortConfig } from '../../model/index.ts';
import { LISTEN_LIMIT_MS, listenPlan, listens, waitForListeners } from './listeners.ts';

function port(TargetPort: number, Protocol: PortConfig['Protocol'] = 'tcp'): PortConfig {
  return { Protocol, TargetPort, PublishMode: 'ingress' };
}

describe('listenPlan', () => {
  it('waits for all published ports, else for one that the image exposes', () => {
    const exposed = { '80/tcp': {}, '443': {}, '53/udp': {}, '9000-9010/tcp': {} };
    expect(listenPlan([port(80), port(80), port(81), port(53, 'udp')], exposed)).toEqual({
      ports: [80, 81],
      all: true,
    });
    expect(listenPlan([port(53, 'udp')], exposed)).toEqual({ ports: [443, 80], all: false });
    expect(listenPlan([], undefined)).toBeUndefined();
  });

  it('is met by all, or by one', () => {
    expect(listens({ ports: [80, 81], all: true }, new Set([80]))).toBe(false);
    expect(listens({ ports: [80, 81], all: false }, new Set([80]))).toBe(true);
  });
});

describe('waitForListeners', () => {
  it('ends when the port is open, and when the time is over', async () => {
    const clock = new VirtualClock();
    const server = createServer();
    const number = await new Promise<number>((resolve) => {
      server.listen(0, () => {
        const address = server.address();
        resolve(typeof address === 'object' ? (address?.port ?? 0) : 0);
      });
    });
    const { signal } = new AbortController();
    const plan = { ports: [number], all: true };
    await waitForListeners(plan, process.pid, clock, signal);
    expect(clock.monotonicMs()).toBe(0);
    await new Promise((resolve) => server.close(resolve));
    let over = false;
    void waitForListeners(plan, process.pid, clock, signal).then(() => (over = true));
    while (!over) {
      await new Promise(setImmediate);
      await clock.advance(5);
    }
    expect(clock.monotonicMs()).toBeGreaterThan(LISTEN_LIMIT_MS / 2);
  });

  it('does not wait for a process that has ended', async () => {
    const plan = { ports: [1], all: true };
    await waitForListeners(plan, 0x7fff_ffff, new VirtualClock(), new AbortController().signal);
  });
});
