import { Prng, VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { aServiceSpec } from '../../test/builders/specs.ts';
import { SwarmError, silentLogger, type ErrorCode } from '../base/index.ts';
import type { Consensus } from './raft/contract/index.ts';
import { OPERATOR } from './access/index.ts';
import { LeaderProxy } from './leader-proxy.ts';
import { Store } from './store/index.ts';

/** A proxy on a leader whose answers are these, one a try. */
function proxyOf(
  answers: readonly ErrorCode[],
  message = 'so it is',
  asked: () => void = () => {},
): LeaderProxy {
  const clock = new VirtualClock();
  const store = new Store({ clock, logger: silentLogger, instance: String(new Prng(1).below(9)) });
  let tries = 0;
  const local = {
    execute: () => {
      asked();
      return Promise.reject(new SwarmError(answers[tries++] ?? 'internal', message));
    },
  };
  const proxy = new LeaderProxy(store, clock, local, { send: () => Promise.reject(new Error()) });
  proxy.connect({ status: { isLeader: true } } as Consensus);
  // Time passes by itself: the proxy waits between its tries.
  void clock.advance(1_000);
  return proxy;
}

describe('a call whose first try has an unknown outcome', () => {
  // The leader removed the object, its answer was lost, and the user was told that there never was one.
  it.each(['conflict', 'outOfSequence', 'notFound'] as const)(
    'does not tell the user %s, which the first try itself may have caused',
    async (code) => {
      const call = proxyOf(['unavailable', code]).forward(
        'service.remove',
        { id: 'web' },
        OPERATOR,
      );
      await expect(call).rejects.toMatchObject({ code: 'unavailable' });
    },
  );

  it('tells what a first try was refused for', async () => {
    const call = proxyOf(['notFound']).forward('service.remove', { id: 'web' }, OPERATOR);
    await expect(call).rejects.toMatchObject({ code: 'notFound' });
  });

  // The first try made it, somebody removed it, and the second one made it again.
  it('makes nothing a second time', async () => {
    let asked = 0;
    const call = proxyOf(
      ['unavailable', 'unavailable'],
      'leadership was lost',
      () => asked++,
    ).forward('service.create', { spec: aServiceSpec() }, OPERATOR);
    await expect(call).rejects.toThrow('check whether it was done');
    expect(asked).toBe(1);
  });

  it('makes it later where it was not begun', async () => {
    let asked = 0;
    const message = 'this manager is not the leader: ask the leader, or retry';
    const call = proxyOf(['unavailable', 'conflict'], message, () => asked++).forward(
      'service.create',
      { spec: aServiceSpec() },
      OPERATOR,
    );
    await expect(call).rejects.toMatchObject({ code: 'conflict' });
    expect(asked).toBe(2);
  });
});
