// Which networks can be made, and when one may go.
import { beforeEach, describe, expect, it } from 'vitest';
import { type NetworkSpec, type UpdateStatus } from '../../model/index.ts';
import { ControlDesk, onNetworks, refusal } from '../../../test/builders/control-desk.ts';

let desk: ControlDesk;

beforeEach(async () => {
  desk = await ControlDesk.open();
});

const VNI = 'com.docker.network.driver.overlay.vxlanid_list';

/** With these subnets and gateways. */
function at(...config: readonly (readonly [string, string?])[]): Pick<NetworkSpec, 'IPAM'> {
  const Config = config.map(([Subnet, Gateway]) => ({
    Subnet,
    ...(Gateway === undefined ? {} : { Gateway }),
  }));
  return { IPAM: { Config } };
}

const drop = (id: string): Promise<unknown> => desk.control.handle('network.remove', { id });

describe('a new network', () => {
  it('has no subnet and no VNI yet', async () => {
    const network = desk.get('network', await desk.network('back', { Attachable: true }));
    expect(network.spec).toMatchObject({ Name: 'back', Attachable: true });
    expect(network.subnets).toEqual([]);
    expect(network.vni).toBeUndefined();
  });

  it.each(['', '-a', 'a-', 'a b', 'a/b', 'ä', 'a\n', '.', 'n'.repeat(129)])(
    'has a name of its own kind, not %j',
    async (name) => {
      const text = await refusal(desk.network(name));
      expect(text).toContain(`invalid: invalid network name ${JSON.stringify(name)}`);
    },
  );

  it.each(['a', '0', 'my_net.v2-b', 'N'.repeat(128)])('may be called %s', async (name) => {
    expect(desk.get('network', await desk.network(name)).spec.Name).toBe(name);
  });

  it.each(['bridge', 'host', 'none'])('can’t be called as one of every host: %s', async (name) => {
    expect(await refusal(desk.network(name))).toBe(
      `denied: operation is not permitted on predefined ${name} network`,
    );
  });

  it('can’t have the name of another', async () => {
    await desk.network('back');
    expect(await refusal(desk.network('back'))).toBe(
      'conflict: network with name back already exists',
    );
  });

  it('of one name is made once, also when two ask at the same time', async () => {
    const outcomes = await Promise.allSettled([desk.network('back'), desk.network('back')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it.each(['bridge', '', 'macvlan'])('is an overlay, not of driver %j', async (Driver) => {
    expect(await refusal(desk.network('back', { Driver }))).toBe(
      `invalid: network driver ${JSON.stringify(Driver)} is unknown in a cluster: use overlay`,
    );
  });

  it('of the routing mesh is the only one', async () => {
    await desk.network('mesh', { Ingress: true });
    expect(await refusal(desk.network('other', { Ingress: true }))).toBe(
      'conflict: ingress network already exists',
    );
  });

  it('may have a VNI that no other has', async () => {
    const id = await desk.network('one', { Options: { [VNI]: '5000' } });
    await desk.change('network', id, { vni: 5_000 });
    expect(await refusal(desk.network('two', { Options: { [VNI]: '5000' } }))).toBe(
      'conflict: VNI 5000 is that of network one',
    );
    expect(await desk.network('two', { Options: { [VNI]: '5001' } })).toBeDefined();
  });

  it('can’t have a VNI that another waits for', async () => {
    await desk.network('one', { Options: { [VNI]: '5000' } });
    expect(await refusal(desk.network('two', { Options: { [VNI]: '5000' } }))).toBe(
      'conflict: VNI 5000 is that of network one',
    );
  });

  it('has labels of a bounded length', async () => {
    const Labels = { a: 'x'.repeat(1024 * 1024) };
    expect(await refusal(desk.network('back', { Labels }))).toMatch(
      /^invalid: labels of the network have \d+ characters, at most 1048576 are kept$/u,
    );
  });
});

describe('the subnet that a network asks for', () => {
  it.each([
    ['10.1.0.0/24', '10.1.0.0/16'],
    ['10.1.0.0/16', '10.1.128.0/17'],
    ['10.1.0.0/24', '10.1.0.0/24'],
  ])('has nothing in common with that of another: %s and %s', async (theirs, own) => {
    await desk.network('back', {}, theirs);
    expect(await refusal(desk.network('other', at([own])))).toBe(
      `denied: subnet ${own} overlaps with ${theirs} of network back`,
    );
  });

  // The managers had not given it to the first yet: both were made, one of them for nothing.
  it('has nothing in common with one that another waits for', async () => {
    await desk.network('back', at(['10.1.0.0/24']));
    expect(await refusal(desk.network('other', at(['10.1.0.0/16'])))).toBe(
      'denied: subnet 10.1.0.0/16 overlaps with 10.1.0.0/24 of network back',
    );
  });

  it('does not mind what an earlier release took for a subnet', async () => {
    const id = await desk.network('old');
    const { spec } = desk.get('network', id);
    await desk.change('network', id, { spec: { ...spec, ...at(['of no sense']) } });
    expect(await desk.network('back', at(['10.1.0.0/24']))).toBeDefined();
  });

  it('may be beside that of another', async () => {
    await desk.network('back', {}, '10.1.0.0/24');
    expect(await desk.network('other', at(['10.1.1.0/24']))).toBeDefined();
  });

  it('has no address of a node, whose traffic would go astray', async () => {
    await desk.addNode('n1', { hostname: 'big', address: '10.1.0.9:2377' });
    expect(await refusal(desk.network('back', at(['10.1.0.0/24'])))).toBe(
      'denied: subnet 10.1.0.0/24 has the address 10.1.0.9 of node big',
    );
    expect(await desk.network('back', at(['10.1.1.0/24']))).toBeDefined();
  });

  it.each([
    '127.1.0.0/24',
    '169.254.0.0/24',
    '198.18.4.0/24',
    '224.0.1.0/24',
    'fe80::/64',
    'ff02::/64',
  ])('is one for networks, not %s', async (subnet) => {
    const text = await refusal(desk.network('back', { EnableIPv6: true, ...at([subnet]) }));
    expect(text).toContain(`invalid: subnet ${subnet} overlaps `);
  });

  it.each([
    ['10.1.0.0/29', true],
    ['10.1.0.0/30', false],
    ['fd01::/125', true],
    ['fd01::/126', false],
  ])('has room for tasks: %s is enough: %s', async (subnet, enough) => {
    const made = desk.network('back', { EnableIPv6: true, ...at([subnet]) });
    if (enough) expect(await made).toBeDefined();
    else expect(await refusal(made)).toContain(`invalid: subnet ${subnet} is too small`);
  });

  it.each([
    ['10.1.0.5/24', 'did you mean 10.1.0.0/24?'],
    ['10.1.0.0', 'is not a subnet such as'],
    ['10.1.0.0/33', 'is not a subnet such as'],
    ['everything', 'is not a subnet such as'],
  ])('is written as one: not %s', async (subnet, text) => {
    expect(await refusal(desk.network('back', at([subnet])))).toContain(text);
  });

  it('is of IPv6 only where that is asked for', async () => {
    expect(await refusal(desk.network('back', at(['fd01::/64'])))).toBe(
      'invalid: subnet fd01::/64 is of IPv6: add --ipv6 (EnableIPv6)',
    );
  });

  it('is one of each family', async () => {
    const two = at(['10.1.0.0/24'], ['10.2.0.0/24']);
    expect(await refusal(desk.network('back', two))).toContain('one subnet of IPv4 and one of');
    const dual = { EnableIPv6: true, ...at(['10.1.0.0/24'], ['fd01::/64']) };
    expect(await desk.network('back', dual)).toBeDefined();
  });

  it('may be left open', async () => {
    expect(await desk.network('back', at(['']))).toBeDefined();
  });
});

describe('the gateway that a network asks for', () => {
  it.each([
    ['10.1.0.0/24', '10.1.0.254'],
    ['10.1.0.0/24', '10.1.0.2'],
    ['fd01::/64', 'fd01::ffff:ffff:ffff:ffff'],
  ])('is an address of a host in %s, as %s', async (subnet, gateway) => {
    const spec = { EnableIPv6: true, ...at([subnet, gateway]) };
    expect(await desk.network('back', spec)).toBeDefined();
  });

  it.each([
    ['10.2.0.1', 'is not in subnet'],
    ['fd01::1', 'is not in subnet'],
    ['router', 'is not in subnet'],
    ['10.1.0.0', "is no host's address in subnet"],
    ['10.1.0.255', "is no host's address in subnet"],
  ])('is not %s', async (gateway, text) => {
    const told = await refusal(desk.network('back', at(['10.1.0.0/24', gateway])));
    expect(told).toBe(`invalid: gateway ${gateway} ${text} 10.1.0.0/24`);
  });
});

describe('a network that is to go', () => {
  it('goes by name, id, or the beginning of an id', async () => {
    const ids = [await desk.network('a'), await desk.network('b'), await desk.network('c')];
    const [, second = '', third = ''] = ids;
    for (const name of ['a', second, third.slice(0, 12)]) await drop(name);
    expect([...desk.view.all('network')]).toEqual([]);
  });

  it('is not one of every host', async () => {
    expect(await refusal(drop('host'))).toBe(
      'denied: host is a pre-defined network and cannot be removed',
    );
  });

  it('stays while a service is on it, also one without tasks', async () => {
    const id = await desk.network('back');
    const service = await desk.service({ replicas: 0, ...onNetworks({ Target: 'back' }) });
    expect(await refusal(drop('back'))).toBe(
      `precondition: network ${id} is in use by service ${service}`,
    );
    await desk.control.handle('service.remove', { id: service });
    expect(await drop('back')).toEqual({ id });
  });

  it.each([
    ['rollback', 'updating', true],
    ['rollback', 'completed', false],
    ['rollback', 'rollback_completed', false],
    ['pause', 'updating', false],
    ['continue', 'updating', false],
  ] as const)(
    'on failure %s, while %s, is kept to go back to: %s',
    async (FailureAction, state: UpdateStatus['state'], kept) => {
      await desk.network('back');
      const UpdateConfig = { Parallelism: 1, FailureAction };
      const id = await desk.service({ UpdateConfig, ...onNetworks({ Target: 'back' }) });
      await desk.updateService(id, (spec) => ({ ...spec, ...onNetworks() }));
      await desk.change('service', id, { updateStatus: { state, startedAt: 0, message: '' } });
      if (kept) expect(await refusal(drop('back'))).toContain('is in use by service');
      else expect(await drop('back')).toBeDefined();
    },
  );

  it('stays for a task that is to run, and not for one that stops', async () => {
    const id = await desk.network('back');
    const serviceId = await desk.service();
    const networks = [{ networkId: id, addresses: ['10.1.0.2/24'], aliases: [] }];
    await desk.addTask('t1', { serviceId, networks });
    expect(await refusal(drop('back'))).toBe(`precondition: network ${id} is in use by task t1`);
    await desk.change('task', 't1', { desiredState: 'shutdown' });
    expect(await drop('back')).toEqual({ id });
  });

  it('does not stay for what is left of a service that is gone', async () => {
    const id = await desk.network('back');
    const networks = [{ networkId: id, addresses: ['10.1.0.2/24'], aliases: [] }];
    await desk.addTask('t1', { serviceId: 'gone', networks });
    expect(await drop('back')).toEqual({ id });
  });

  // Until the managers had given the service its ports, nothing held the network.
  it('of the mesh stays while a service publishes there', async () => {
    const id = await desk.network('mesh', { Ingress: true });
    const ports = [{ Protocol: 'tcp', TargetPort: 80, PublishMode: 'ingress' }] as const;
    const service = await desk.service({ EndpointSpec: { Ports: [...ports] } });
    expect(await refusal(drop('mesh'))).toBe(
      `precondition: network ${id} is in use by service ${service}`,
    );
  });

  it('of the mesh goes where ports are those of hosts', async () => {
    await desk.network('mesh', { Ingress: true });
    const ports = [{ Protocol: 'tcp', TargetPort: 80, PublishMode: 'host' }] as const;
    await desk.service({ EndpointSpec: { Ports: [...ports] } });
    expect(await drop('mesh')).toBeDefined();
  });

  it('must be there', async () => {
    expect(await refusal(drop('back'))).toBe('notFound: network back not found');
  });
});
