// Addresses of one subnet: in which order they are given out, how long they rest, and what is looked at.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import { parseSubnet } from '../../model/index.ts';
import { ADDRESS_REST_MS, AddressPool } from './address-pool.ts';

const poolOf = (subnet: string, ...reserved: readonly string[]): AddressPool =>
  new AddressPool(parseSubnet(subnet), reserved);

/** All that a pool gives at `now`, without the prefix lengths. */
function drained(pool: AddressPool, now = 0): string[] {
  const given: string[] = [];
  for (let next = pool.take(now); next !== undefined; next = pool.take(now)) {
    given.push(next.split('/')[0] ?? '');
  }
  return given;
}

describe('a pool', () => {
  it('gives each address once, without those of the network, of all and of the gateway', () => {
    expect(drained(poolOf('10.0.0.0/29', '10.0.0.1'))).toEqual([
      '10.0.0.2',
      '10.0.0.3',
      '10.0.0.4',
      '10.0.0.5',
      '10.0.0.6',
    ]);
  });

  it('goes over to its beginning for what lies before the gateway', () => {
    expect(drained(poolOf('10.0.0.0/29', '10.0.0.4'))).toEqual([
      '10.0.0.5',
      '10.0.0.6',
      '10.0.0.1',
      '10.0.0.2',
      '10.0.0.3',
    ]);
  });

  it.each(['10.0.0.0/32', '10.0.0.0/31'])('has nothing to give of %s', (subnet) => {
    expect(poolOf(subnet, '10.0.0.1').take(0)).toBeUndefined();
  });

  it('gives addresses of either family with their prefix lengths', () => {
    expect(poolOf('10.255.255.0/24').take(0)).toBe('10.255.255.2/24');
    expect(poolOf('255.255.255.0/24').take(0)).toBe('255.255.255.2/24');
    expect(poolOf('fd00::/64').take(0)).toBe('fd00::2/64');
  });

  it('gives an address again as late as possible, and not before it has rested', () => {
    const pool = poolOf('10.0.0.0/29', '10.0.0.1');
    pool.take(0);
    pool.free('10.0.0.2/29', 1_000);
    expect(drained(pool, 1_000)).toEqual(['10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
    expect(pool.nextFreeAt(1_000)).toBe(1_000 + ADDRESS_REST_MS);
    expect(pool.take(1_000 + ADDRESS_REST_MS - 1)).toBeUndefined();
    expect(pool.take(1_000 + ADDRESS_REST_MS)).toBe('10.0.0.2/29');
  });

  it('keeps an address that somebody took while it rested', () => {
    const pool = poolOf('10.0.0.0/30', '10.0.0.1');
    pool.take(0);
    pool.free('10.0.0.2', 0);
    pool.use('10.0.0.2');
    expect([pool.isUsed('10.0.0.2'), pool.nextFreeAt(0)]).toEqual([true, undefined]);
    expect(pool.take(10 * ADDRESS_REST_MS)).toBeUndefined();
  });

  it('does not mind an address given back twice, or by nobody', () => {
    const pool = poolOf('10.0.0.0/30', '10.0.0.1');
    pool.free('10.0.0.2', 0);
    pool.free('192.0.2.1', 0);
    expect([pool.nextFreeAt(0), pool.take(0)]).toEqual([undefined, '10.0.0.2/30']);
    pool.free('10.0.0.2', 0);
    pool.free('10.0.0.2', 30_000);
    expect(pool.nextFreeAt(0)).toBe(ADDRESS_REST_MS);
  });

  it.each(['10.0.1.0', '9.255.255.255', '10.0.0.300', 'fd00::1', 'nonsense', ''])(
    'has no %j',
    (address) => {
      const pool = poolOf('10.0.0.0/24');
      pool.use(address);
      expect([pool.contains(address), pool.isUsed(address)]).toEqual([false, false]);
    },
  );

  it('has the first and the last of its addresses, which it never gives out', () => {
    const pool = poolOf('10.0.0.0/30', '10.0.0.1');
    expect([pool.contains('10.0.0.0/30'), pool.contains('10.0.0.3')]).toEqual([true, true]);
    pool.use('10.0.0.3');
    pool.use('10.0.0.0');
    expect(drained(pool)).toEqual(['10.0.0.2']);
  });
});

describe('an address that a task had which has ended', () => {
  it('rests from the end of the task on', () => {
    const pool = poolOf('10.0.0.0/30', '10.0.0.1');
    pool.ended('10.0.0.2/30', 5_000);
    expect(pool.nextFreeAt(5_000)).toBe(5_000 + ADDRESS_REST_MS);
    expect(pool.take(5_000 + ADDRESS_REST_MS)).toBe('10.0.0.2/30');
  });

  it('rests from the last of several ends on', () => {
    const pool = poolOf('10.0.0.0/30', '10.0.0.1');
    for (const time of [5_000, 9_000, 1_000]) pool.ended('10.0.0.2', time);
    expect(pool.nextFreeAt(0)).toBe(9_000 + ADDRESS_REST_MS);
  });

  it.each([
    ['before', true],
    ['after', false],
  ])('is still that of another task that was looked at %s', (_when, first) => {
    const pool = poolOf('10.0.0.0/30', '10.0.0.1');
    if (first) pool.use('10.0.0.2');
    pool.ended('10.0.0.2', 0);
    if (!first) pool.use('10.0.0.2');
    expect(pool.take(100 * ADDRESS_REST_MS)).toBeUndefined();
  });
});

describe('a pool in use', () => {
  it('gives only what nobody has and what has rested, and something when there is such', () => {
    const random = new Prng('addresses');
    for (let round = 0; round < 40; round++) {
      const pool = poolOf('10.0.0.0/28', '10.0.0.1');
      const usable = Array.from({ length: 13 }, (_, i) => `10.0.0.${i + 2}`);
      const used = new Set<string>();
      const resting = new Map<string, number>();
      let now = 0;
      for (let step = 0; step < 300; step++) {
        now += random.below(10_000);
        const free = usable.filter((one) => !used.has(one) && (resting.get(one) ?? 0) <= now);
        const action = random.below(3);
        const address = usable[random.below(usable.length)] ?? '';
        if (action === 0) {
          const given = pool.take(now)?.split('/')[0];
          if (free.length === 0) expect(given).toBeUndefined();
          else expect(free).toContain(given);
          if (given !== undefined) used.add(given);
        } else if (action === 1) {
          pool.free(address, now);
          if (used.delete(address)) resting.set(address, now + ADDRESS_REST_MS);
        } else {
          const times = usable.flatMap((one) => (used.has(one) ? [] : (resting.get(one) ?? [])));
          const next = times.filter((time) => time > now).toSorted((a, b) => a - b)[0];
          expect(pool.nextFreeAt(now)).toBe(next);
        }
      }
    }
  });

  it('says at once that it is full, however large it is', () => {
    const pool = poolOf('10.0.0.0/16', '10.0.0.1');
    expect(drained(pool)).toHaveLength(65_533);
    for (let i = 2; i < 1_000; i++) pool.free(`10.0.${i >> 8}.${i & 255}`, 0);
    // A walk over all of it for each of these would be 2 · 10⁹ steps.
    for (let i = 0; i < 30_000; i++) expect(pool.take(1)).toBeUndefined();
    expect(pool.nextFreeAt(1)).toBe(ADDRESS_REST_MS);
  });
});
