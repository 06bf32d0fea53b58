import { describe, expect, it } from 'vitest';
import type { TaskEndpointAssignment } from '../model/index.ts';
import { REMOVED_ENDPOINT_MS } from './contract/index.ts';
import { RemovedEndpoints } from './removed-endpoints.ts';

type Endpoints = ReadonlyMap<string, TaskEndpointAssignment>;

function endpoints(...tasks: { id: string; lost?: boolean; active?: boolean }[]): Endpoints {
  return new Map(
    tasks.map(({ id, lost, active = true }) => [
      `net/${id}`,
      {
        networkId: 'net',
        serviceId: 's',
        taskId: id,
        name: id,
        nodeId: 'n',
        addresses: [`10.0.0.${id}`],
        aliases: [],
        active,
        ...(lost === undefined ? {} : { lost }),
      },
    ]),
  );
}

describe('RemovedEndpoints', () => {
  it('remembers what went away, for some minutes', () => {
    const removed = new RemovedEndpoints([]);
    const { gone } = removed.observe(
      endpoints({ id: '2' }, { id: '3' }),
      endpoints({ id: '3' }),
      0,
    );
    expect(gone.get('net')).toEqual(['10.0.0.2']);
    expect(removed.addresses('net')).toEqual(['10.0.0.2']);
    removed.expire(REMOVED_ENDPOINT_MS);
    expect(removed.addresses('net')).toEqual([]);
  });

  it('lets a task that is to stop go on with its connections', () => {
    const removed = new RemovedEndpoints([]);
    const after = endpoints({ id: '2', active: false });
    expect(removed.observe(endpoints({ id: '2' }), after, 0).gone.size).toBe(0);
  });

  it('counts a task as gone while its host is down, and as there when it is back', () => {
    const removed = new RemovedEndpoints([]);
    const [up, down] = [endpoints({ id: '2' }), endpoints({ id: '2', lost: true, active: false })];
    expect(removed.observe(up, down, 0).gone.get('net')).toEqual(['10.0.0.2']);
    expect(removed.observe(down, new Map(down), 1).gone.size).toBe(0);
    expect(removed.addresses('net')).toEqual(['10.0.0.2']);
    expect(removed.observe(down, up, 2).changed).toBe(true);
    expect(removed.addresses('net')).toEqual([]);
  });
});
