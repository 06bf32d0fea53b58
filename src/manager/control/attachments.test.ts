// What a node may ask for its users' containers, and what becomes of it.
import { beforeEach, describe, expect, it } from 'vitest';
import { FIXED_IPV4_OPTION, FIXED_IPV6_OPTION } from '../../model/index.ts';
import { ControlDesk, refusal } from '../../../test/builders/control-desk.ts';
import type { AttachmentRequest } from './control.ts';

const CONTAINER = 'c'.repeat(64);
let desk: ControlDesk;
let back: string;

beforeEach(async () => {
  desk = await ControlDesk.open();
  await desk.addNode('n1', { hostname: 'one' });
  back = await desk.network('back', { Attachable: true }, '10.7.0.0/24');
});

const on = (
  target: string,
  more: Partial<AttachmentRequest['networks'][number]> = {},
): AttachmentRequest['networks'][number] => ({ target, aliases: [], addresses: [], ...more });

describe('the place of a container', () => {
  it('is a task of its node, which nobody scheduled and no service stands behind', async () => {
    await desk.attach();
    expect(desk.get('task', 'c1')).toMatchObject({
      serviceId: 'c1',
      revisionId: 'c1',
      slot: 0,
      nodeId: 'n1',
      desiredState: 'running',
      status: { state: 'new', timestamp: desk.clock.now() },
      networks: [],
      attachment: { containerId: CONTAINER },
    });
    expect([...desk.view.all('service')]).toEqual([]);
  });

  it('has a revision that says its name and networks', async () => {
    await desk.attach({ name: 'mine' });
    expect(desk.get('revision', 'c1')).toMatchObject({
      serviceId: 'c1',
      spec: { Name: 'mine', TaskTemplate: { Runtime: 'attachment' } },
      ports: [],
    });
  });

  it('is on each of its networks, named as users name them', async () => {
    const front = await desk.network('front', { Attachable: true });
    await desk.attach({ networks: [on('back'), on(front.slice(0, 12))] });
    const { Networks = [] } = desk.get('revision', 'c1').spec.TaskTemplate;
    expect(Networks.map(({ Target }) => Target)).toEqual([back, front]);
  });

  it('is found by its aliases and by the short id of the container, each once', async () => {
    const short = CONTAINER.slice(0, 12);
    await desk.attach({ networks: [on('back', { aliases: ['db', 'db', short] })] });
    const { Networks } = desk.get('revision', 'c1').spec.TaskTemplate;
    expect(Networks?.[0]?.Aliases).toEqual(['db', short]);
  });

  it('keeps the addresses of both families that it asks for', async () => {
    const dual = await desk.network('dual', { Attachable: true, EnableIPv6: true });
    await desk.allocate(dual, '10.8.0.0/24', 'fd08::/64');
    await desk.attach({ networks: [on('dual', { addresses: ['10.8.0.9', 'fd08::9'] })] });
    const { Networks } = desk.get('revision', 'c1').spec.TaskTemplate;
    expect(Networks?.[0]?.DriverOpts).toEqual({
      [FIXED_IPV4_OPTION]: '10.8.0.9',
      [FIXED_IPV6_OPTION]: 'fd08::9',
    });
  });

  it('says nothing of addresses where it asks for none', async () => {
    await desk.attach();
    const { Networks } = desk.get('revision', 'c1').spec.TaskTemplate;
    expect(Networks?.[0]?.DriverOpts).toBeUndefined();
  });
});

describe('a request for a place', () => {
  it('may come again after a lost answer, and changes nothing then', async () => {
    await desk.attach();
    const { version } = desk.get('task', 'c1');
    await desk.attach();
    await desk.attach({ target: 'gone meanwhile' });
    expect(desk.get('task', 'c1').version).toBe(version);
  });

  it.each([
    ['another container', { containerId: 'd'.repeat(64) }],
    ['another node', { nodeId: 'n2' }],
  ])('can’t take the place of %s', async (_whose, more) => {
    await desk.addNode('n2');
    await desk.attach();
    expect(await refusal(desk.attach(more))).toBe('conflict: task c1 exists already');
  });

  it('can’t take the id of a service’s task', async () => {
    await desk.addTask('c1');
    expect(await refusal(desk.attach())).toBe('conflict: task c1 exists already');
  });

  it('comes from a node of the cluster', async () => {
    expect(await refusal(desk.attach({ nodeId: 'n9' }))).toBe(
      'denied: node n9 is not in the cluster',
    );
  });

  it.each([0, 65])('names 1 to 64 networks, not %i', async (count) => {
    const networks = Array.from({ length: count }, () => on('back'));
    expect(await refusal(desk.attach({ networks }))).toBe(
      `invalid: a container can be on 1 to 64 networks of the cluster, not ${count}`,
    );
  });

  it('names each network once, however it is written', async () => {
    expect(await refusal(desk.attach({ networks: [on('back'), on(back)] }))).toBe(
      `invalid: network ${back} is given twice`,
    );
  });

  it('names networks that are there', async () => {
    expect(await refusal(desk.attach({ target: 'nowhere' }))).toBe(
      'notFound: network nowhere not found',
    );
  });

  it.each([
    ['one that is not attachable', {}],
    ['the one of the routing mesh', { Ingress: true, Attachable: true }],
  ])('is denied on %s', async (_which, spec) => {
    await desk.network('other', spec);
    expect(await refusal(desk.attach({ target: 'other' }))).toBe(
      'denied: Could not attach to network other: it is not manually attachable; make it with --attachable',
    );
    expect([...desk.view.all('task')]).toEqual([]);
  });

  it('needs a node that can encrypt on an encrypted network', async () => {
    await desk.addNode('n2', { encrypted: true });
    await desk.network('secret', { Attachable: true, Options: { encrypted: '' } });
    expect(await refusal(desk.attach({ target: 'secret' }))).toContain(
      'precondition: Could not attach to network secret: it is encrypted, and node one can',
    );
    await desk.attach({ target: 'secret', nodeId: 'n2' });
    expect(desk.get('task', 'c1').nodeId).toBe('n2');
  });
});

describe('the address that a container asks for', () => {
  const asking = (more: Partial<AttachmentRequest> = {}): Promise<void> =>
    desk.attach({ networks: [on('back', { addresses: ['10.7.0.50'] })], ...more });
  /** As the allocator gives it. */
  const given = (id: string): Promise<void> =>
    desk.change('task', id, {
      networks: [{ networkId: back, addresses: ['10.7.0.50/24'], aliases: [] }],
      status: { state: 'assigned', timestamp: 0, message: '' },
    });

  it('is one of the network', async () => {
    const networks = [on('back', { addresses: ['10.9.0.1'] })];
    expect(await refusal(desk.attach({ networks }))).toBe(
      'invalid: address 10.9.0.1 is not on network back (10.7.0.0/24)',
    );
  });

  it('is no other container’s', async () => {
    await asking();
    await given('c1');
    expect(await refusal(asking({ id: 'c2', containerId: 'd'.repeat(64) }))).toBe(
      'conflict: address 10.7.0.50 on network back is that of task c1',
    );
  });

  it('may still be that of the container’s last run', async () => {
    await asking();
    await given('c1');
    await asking({ id: 'c2' });
    expect(desk.get('task', 'c2').status.state).toBe('new');
  });

  it('keeps services from having it', async () => {
    await asking();
    await given('c1');
    const Networks = [{ Target: 'back', DriverOpts: { [FIXED_IPV4_OPTION]: '10.7.0.50' } }];
    const TaskTemplate = { ContainerSpec: { Image: 'hello:1' }, Networks };
    expect(await refusal(desk.service({ TaskTemplate }))).toContain('is that of task c1');
  });

  it('keeps its network from going, until the container has ended', async () => {
    await asking();
    await given('c1');
    const drop = () => desk.control.handle('network.remove', { id: 'back' });
    expect(await refusal(drop())).toBe(
      `precondition: network ${back} is in use by container cccccccccccc on node one`,
    );
    await desk.change('task', 'c1', { status: { state: 'failed', timestamp: 0, message: '' } });
    expect(await drop()).toEqual({ id: back });
  });
});
