// Both sides of a lease, tick by tick.
import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '../src/index.ts';
import { Lease } from '../src/lease.ts';
import { completeOptions } from '../src/options.ts';

function leaseOf(electionTicks: number, hasRun = false): Lease {
  const options = completeOptions({
    id: 1,
    electionTicks,
    heartbeatTicks: 1,
    storage: new MemoryStorage(),
    random: () => 0,
    checkQuorum: true,
    readOnlyMode: 'leaseBased',
  });
  return new Lease(options, hasRun);
}

const pass = (lease: Lease, ticks: number): void => {
  for (let i = 0; i < ticks; i++) lease.tick();
};

describe('a lease', () => {
  it('counts from the question, and ends before the promise that backs it', () => {
    const lease = leaseOf(10);
    const asked = lease.now;
    pass(lease, 3);
    lease.extend(asked);
    expect(lease.isHeld).toBe(true);
    pass(lease, 4);
    expect(lease.isHeld).toBe(true);
    pass(lease, 1);
    expect(lease.isHeld).toBe(false);
  });

  it('does not exist where an election time-out is too short to divide', () => {
    const lease = leaseOf(2);
    lease.extend(lease.now);
    expect(lease.isHeld).toBe(false);
  });

  it('ends with a new membership, and with the wish to hand over', () => {
    const lease = leaseOf(10);
    lease.extend(lease.now);
    lease.restart();
    expect(lease.isHeld).toBe(false);
    lease.extend(lease.now);
    expect(lease.isHeld).toBe(false);
    pass(lease, 1);
    lease.extend(lease.now);
    expect(lease.isHeld).toBe(true);
    lease.giveUp();
    pass(lease, 1);
    lease.extend(lease.now);
    expect(lease.isHeld).toBe(false);
  });
});

describe('a promise', () => {
  it('lasts an election time-out, also over a restart', () => {
    const fresh = leaseOf(10);
    expect(fresh.isPromised).toBe(false);
    fresh.promise();
    expect(fresh.isPromised).toBe(true);
    const restarted = leaseOf(10, true);
    pass(restarted, 9);
    expect(restarted.isPromised).toBe(true);
    pass(restarted, 1);
    expect(restarted.isPromised).toBe(false);
  });
});
