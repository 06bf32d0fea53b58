import { describe, expect, it } from 'vitest';
import { FRONT } from '../../../test/builders/overlay-network.ts';
import { IPV4, IPV6 } from '../addressing/index.ts';
import type { LocalAttachment } from '../kernel/index.ts';
import { OwnAddressIndex } from './own-addresses.ts';

function attachment(taskId: string, host: number): LocalAttachment {
  const own = { taskId, index: 0, network: FRONT, gateway: '10.0.1.1' };
  return { ...own, address: `10.0.1.${host}/24` };
}

describe('OwnAddressIndex', () => {
  it('has the elements of the tasks that are there', () => {
    const index = new OwnAddressIndex(IPV4);
    const [a, b] = [attachment('a', 11), attachment('b', 12)];
    index.update([a, b]);
    const { links, hairpins, addresses } = index.update([b]);
    expect([...addresses.keys()]).toEqual(['10.0.1.12']);
    expect([...hairpins]).toEqual([['10.0.1.12 . 10.0.1.12', '10.0.1.1']]);
    expect([...links.keys()]).toEqual([expect.stringMatching(/^"t\w{10}" \. 10\.0\.1\.12$/u)]);
  });

  it('keeps an address that the next task has when the one before it goes', () => {
    const index = new OwnAddressIndex(IPV4);
    const [ended, next] = [attachment('ended', 11), attachment('next', 11)];
    expect(index.update([ended, next]).links.size).toBe(2);
    const { links, hairpins, addresses } = index.update([next]);
    expect([links.size, hairpins.size, addresses.size]).toEqual([1, 1, 1]);
    expect(index.update([]).addresses.size).toBe(0);
  });

  it('is the same object while nothing changes, and empty without the family', () => {
    const index = new OwnAddressIndex(IPV6);
    const made = index.update([attachment('a', 11)]);
    expect(made.links.size).toBe(0);
    expect(index.update([attachment('a', 11)]).links).toBe(made.links);
  });
});
