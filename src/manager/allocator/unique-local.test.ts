// IPv6 subnets for networks that name none.
import { describe, expect, it } from 'vitest';
import { subnetText } from '../../model/index.ts';
import { uniqueLocalSubnets } from './unique-local.ts';

function first(count: number, cluster: string, network: string): string[] {
  const subnets: string[] = [];
  for (const subnet of uniqueLocalSubnets(cluster, network)) {
    subnets.push(subnetText(subnet));
    if (subnets.length === count) break;
  }
  return subnets;
}

const clusterPart = (subnet: string | undefined): string =>
  (subnet ?? '').split(':').slice(0, 3).join(':');

describe('the subnets of a network', () => {
  it('are the same for the same cluster and network on every manager', () => {
    expect(first(5, 'c', 'n')).toEqual(first(5, 'c', 'n'));
  });

  it('are /64 of the unique local addresses', () => {
    for (const subnet of first(20, 'c', 'n')) expect(subnet).toMatch(/^fd[0-9a-f]{2}:.*\/64$/);
  });

  it('have the cluster in common with those of its other networks, and nothing else', () => {
    const [one] = first(1, 'c', 'n1');
    const [other] = first(1, 'c', 'n2');
    expect(clusterPart(one)).toBe(clusterPart(other));
    expect(one).not.toBe(other);
  });

  it('are others in another cluster', () => {
    const [one] = first(1, 'c1', 'n');
    const [other] = first(1, 'c2', 'n');
    expect(clusterPart(one)).not.toBe(clusterPart(other));
  });

  it('are each another one, as many as a cluster has', () => {
    const all = [...uniqueLocalSubnets('c', 'n')].map(({ base }) => String(base));
    expect(all.length).toBe(65_536);
    expect([all.length, new Set(all).size]).toEqual([65_536, 65_536]);
  });
});
