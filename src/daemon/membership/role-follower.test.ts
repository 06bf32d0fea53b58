// Steps towards the role that is wanted: none is repeated as fast as it can be.
import { VirtualClock } from 'sim';
import { expect, it } from 'vitest';
import { silentLogger } from '../../base/index.ts';
import { RoleFollower } from './role-follower.ts';

it('asks again for a certificate whose answer was lost, and waits for the news of it', async () => {
  const clock = new VirtualClock();
  let renewals = 0;
  let certified: 'manager' | 'worker' = 'worker';
  const follower = new RoleFollower(
    {
      state: () => ({ certified, runs: true, listed: true }),
      renew: async () => {
        renewals++;
        // Our own store is behind.
        clock.after(2_500, () => (certified = 'manager'));
      },
      startManager: () => Promise.reject(new Error('it runs')),
      stopManager: () => Promise.reject(new Error('it is wanted')),
      confirm: () => Promise.reject(new Error('it is listed')),
    },
    clock,
    silentLogger,
  );
  follower.want('manager');
  await clock.advance(10_000);
  expect(renewals).toBeGreaterThan(0);
  expect(renewals).toBeLessThan(5);
});
