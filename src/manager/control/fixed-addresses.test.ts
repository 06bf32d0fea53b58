// Addresses that services and containers ask for: whose they may be, and when they are somebody else's.
import { beforeEach, describe, expect, it } from 'vitest';
import {
  FIXED_IPV4_OPTION,
  FIXED_IPV6_OPTION,
  type NetworkAttachmentConfig,
  type ServiceSpec,
} from '../../model/index.ts';
import { ControlDesk, onNetworks, refusal } from '../../../test/builders/control-desk.ts';

let desk: ControlDesk;
let back: string;

beforeEach(async () => {
  desk = await ControlDesk.open();
  await desk.addNode('n1');
  back = await desk.network('back', { Attachable: true }, '10.7.0.0/24');
});

function at(address: string, Target = 'back'): NetworkAttachmentConfig {
  const option = address.includes(':') ? FIXED_IPV6_OPTION : FIXED_IPV4_OPTION;
  return { Target, DriverOpts: { [option]: address } };
}

const asking = (
  Name: string,
  address: string,
  more: Partial<ServiceSpec> & { replicas?: number } = {},
): Promise<string> => desk.service({ Name, ...onNetworks(at(address)), ...more });

/** The service without the address that it asked for. */
const leave = async (id: string): Promise<void> => {
  await desk.updateService(id, (spec) => ({ ...spec, ...onNetworks({ Target: back }) }));
};

const inUse = (address: string) => ({
  networks: [{ networkId: back, addresses: [address], aliases: [] }],
});

describe('a fixed address', () => {
  it('is one of its network', async () => {
    expect(await asking('web', '10.7.0.50')).toBeDefined();
    expect(await refusal(asking('other', '10.8.0.50'))).toBe(
      'invalid: address 10.8.0.50 is not on network back (10.7.0.0/24)',
    );
  });

  it.each(['10.7.0', '10.7.0.256', 'db', '10.7.0.50/24'])('is an address, not %s', async (text) => {
    expect(await refusal(asking('web', text))).toContain(`address ${text} is not on network back`);
  });

  it.each([
    ['the network’s own', '10.7.0.0'],
    ['the gateway’s', '10.7.0.1'],
    ['the one for all', '10.7.0.255'],
  ])('is not %s', async (_whose, address) => {
    expect(await refusal(asking('web', address))).toBe(
      `invalid: address ${address} is none for a task on network back`,
    );
  });

  it('of IPv6 may be the last of its subnet, which has no address for all', async () => {
    const id = await desk.network('dual', { EnableIPv6: true });
    await desk.allocate(id, '10.8.0.0/24', 'fd07::/120');
    const addresses = ['fd07::ff', 'fd07::'].map((address) => onNetworks(at(address, 'dual')));
    expect(await desk.service({ Name: 'last', ...addresses[0] })).toBeDefined();
    expect(await refusal(desk.service({ Name: 'first', ...addresses[1] }))).toContain(
      'address fd07:: is none for a task',
    );
  });

  it('can’t be asked for before the network has a subnet', async () => {
    await desk.network('young');
    const text = await refusal(desk.service(onNetworks(at('10.9.0.5', 'young'))));
    expect(text).toBe('invalid: address 10.9.0.5 is not on network young (no subnet yet)');
  });

  it.each([
    ['two replicas', { replicas: 2 }, 'use one replica'],
    ['a task on every node', { Mode: { Global: {} } }, 'use one replica'],
    [
      'updates that start first',
      { UpdateConfig: { Parallelism: 1, Order: 'start-first' } },
      'stop-first',
    ],
    [
      'rollbacks that start first',
      { RollbackConfig: { Parallelism: 1, Order: 'start-first' } },
      'stop-first',
    ],
  ] as const)('is for one task at a time: not with %s', async (_what, more, way) => {
    const text = await refusal(asking('web', '10.7.0.50', more));
    expect(text).toContain('invalid: address 10.7.0.50');
    expect(text).toContain(way);
  });

  it('may be that of a service which has no task just now', async () => {
    expect(await asking('web', '10.7.0.50', { replicas: 0 })).toBeDefined();
  });

  it('keeps its service from being scaled', async () => {
    const id = await asking('web', '10.7.0.50');
    const Mode = { Replicated: { Replicas: 2 } };
    const text = await refusal(desk.updateService(id, (spec) => ({ ...spec, Mode })));
    expect(text).toContain('use one replica');
  });
});

describe('somebody else’s address', () => {
  const conflict = 'conflict: address 10.7.0.50 on network back is ';

  it('is the one that another service asks for, with or without a task', async () => {
    await asking('web', '10.7.0.50', { replicas: 0 });
    expect(await refusal(asking('other', '10.7.0.50'))).toBe(`${conflict}fixed for service web`);
  });

  it('is the same one written in another way', async () => {
    const id = await desk.network('dual', { EnableIPv6: true });
    await desk.allocate(id, '10.8.0.0/24', 'fd07::/64');
    await desk.service({ Name: 'web', ...onNetworks(at('fd07::a', 'dual')) });
    const spelt = onNetworks(at('FD07:0:0::000A', 'dual'));
    expect(await refusal(desk.service({ Name: 'other', ...spelt }))).toContain(
      'is fixed for service web',
    );
  });

  it('is the virtual one of a service, also one’s own', async () => {
    const id = await desk.service({ Name: 'web', ...onNetworks({ Target: 'back' }) });
    const virtualIps = [{ networkId: back, address: '10.7.0.50/24' }];
    await desk.change('service', id, { endpoint: { ports: [], virtualIps, allocatedFor: 1 } });
    const text = `${conflict}the virtual address of service web`;
    expect(await refusal(asking('other', '10.7.0.50'))).toBe(text);
    const change = desk.updateService(id, (spec) => ({ ...spec, ...onNetworks(at('10.7.0.50')) }));
    expect(await refusal(change)).toBe(text);
  });

  it('is that of a task until it has ended', async () => {
    await desk.addTask('t1', inUse('10.7.0.50/24'));
    expect(await refusal(asking('web', '10.7.0.50'))).toBe(`${conflict}that of task t1`);
    const status = { state: 'complete', timestamp: 0, message: '' } as const;
    await desk.change('task', 't1', { status });
    expect(await asking('web', '10.7.0.50')).toBeDefined();
  });

  it('is not that of a service’s own tasks', async () => {
    const id = await desk.service({ Name: 'web', ...onNetworks({ Target: 'back' }) });
    await desk.addTask('t1', { serviceId: id, ...inUse('10.7.0.50/24') });
    const { spec } = await desk.updateService(id, (old) => ({
      ...old,
      ...onNetworks(at('10.7.0.50')),
    }));
    expect(spec.TaskTemplate.Networks).toEqual([at('10.7.0.50', back)]);
  });

  it('is one’s own on another network', async () => {
    await asking('web', '10.7.0.50');
    await desk.network('front', {}, '10.8.0.0/24');
    const other = desk.service({ Name: 'other', ...onNetworks(at('10.8.0.50', 'front')) });
    expect(await other).toBeDefined();
  });

  it('is free when its service is gone, or asks for it no more', async () => {
    const id = await asking('web', '10.7.0.50');
    await leave(id);
    const next = await asking('other', '10.7.0.50');
    await desk.control.handle('service.remove', { id: next });
    expect(await asking('third', '10.7.0.50')).toBeDefined();
  });

  it('is kept from a container, too', async () => {
    await asking('web', '10.7.0.50');
    const networks = [{ target: 'back', aliases: [], addresses: ['10.7.0.50'] }];
    expect(await refusal(desk.attach({ networks }))).toBe(`${conflict}fixed for service web`);
  });

  // Services without ports were checked side by side, each against a store without the other.
  it('is that of one of two that ask for it at the same time', async () => {
    const outcomes = await Promise.allSettled(
      ['web', 'other'].map((name) => asking(name, '10.7.0.50')),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('is one that its service may go back to by itself', async () => {
    const UpdateConfig = { Parallelism: 1, FailureAction: 'rollback' } as const;
    const id = await asking('web', '10.7.0.50', { UpdateConfig });
    await leave(id);
    expect(await refusal(asking('other', '10.7.0.50'))).toBe(`${conflict}fixed for service web`);
    const updateStatus = { state: 'completed', startedAt: 0, message: '' } as const;
    await desk.change('service', id, { updateStatus });
    expect(await asking('other', '10.7.0.50')).toBeDefined();
  });

  // A rollback was not asked: two services had one address then, and one of them no task.
  it('is not to be had by a rollback', async () => {
    const id = await asking('web', '10.7.0.50');
    await leave(id);
    await asking('other', '10.7.0.50');
    expect(await refusal(desk.rollBack(id))).toBe(`${conflict}fixed for service other`);
    expect(desk.get('service', id).spec.TaskTemplate.Networks).toEqual([{ Target: back }]);
  });
});
