// Changes of nodes by users, and when a node may go.
import { beforeEach, describe, expect, it } from 'vitest';
import { specIndexOf, type Node, type NodeSpec } from '../../model/index.ts';
import { ControlDesk, refusal } from '../../../test/builders/control-desk.ts';

const DAY_MS = 24 * 3_600_000;
let desk: ControlDesk;

beforeEach(async () => {
  desk = await ControlDesk.open();
  await desk.addNode('n1', { hostname: 'one' });
});

const node = (id: string): Node => desk.get('node', id);

/** With `more` in its spec, at the version that it has now or the one named. */
function change(id: string, more: Partial<NodeSpec>, version?: number): Promise<object> {
  const { spec } = node(id);
  const at = version ?? specIndexOf(node(id));
  return desk.control.handle('node.update', { id, version: at, spec: { ...spec, ...more } });
}

const drop = (id: string, force = false): Promise<object> =>
  desk.control.handle('node.remove', { id, force });
const down = (id: string): Promise<void> =>
  desk.change('node', id, { status: { ...node(id).status, state: 'down' } });
const blacklist = () => desk.view.cluster?.blacklist;

/** A manager that is a member of Raft. */
async function addManager(id: string): Promise<void> {
  await desk.addNode(id, { role: 'manager' });
  const manager = { raftId: 1, address: '10.0.0.1:2377', raftAddress: '10.0.0.1:2378' };
  await desk.change('node', id, { manager });
}

describe('a change of a node', () => {
  it.each([
    { Availability: 'drain' },
    { Availability: 'pause' },
    { Labels: { rack: 'a' } },
    { Name: 'first' },
  ] as const)('is stored: %j', async (more) => {
    await change('n1', more);
    expect(node('n1').spec).toMatchObject(more);
  });

  it('leaves the rest of the node as it is', async () => {
    const { status, description, number } = node('n1');
    await change('n1', { Availability: 'drain' });
    expect(node('n1')).toMatchObject({ status, description, number });
  });

  it('may name the node by its host', async () => {
    const request = { version: specIndexOf(node('n1')), spec: node('n1').spec };
    const spec = { ...request.spec, Labels: { a: 'b' } };
    await desk.control.handle('node.update', { ...request, id: 'one', spec });
    expect(node('n1').spec.Labels).toEqual({ a: 'b' });
  });

  it('that names a host which two nodes have is refused', async () => {
    await desk.addNode('n2', { hostname: 'one' });
    const request = { id: 'one', version: 1, spec: node('n1').spec };
    expect(await refusal(desk.control.handle('node.update', request))).toBe(
      'invalid: node one is ambiguous (2 matches found): use the id',
    );
  });

  it('names the version that it changes', async () => {
    const version = specIndexOf(node('n1'));
    await change('n1', { Availability: 'drain' });
    expect(await refusal(change('n1', { Availability: 'active' }, version))).toBe(
      'outOfSequence: update out of sequence',
    );
    expect(node('n1').spec.Availability).toBe('drain');
  });

  it('is not made stale by a new status', async () => {
    const version = specIndexOf(node('n1'));
    await down('n1');
    await change('n1', { Availability: 'drain' }, version);
    expect(node('n1').spec.Availability).toBe('drain');
  });

  it.each([
    [{ Role: 'leader' }, 'invalid node role "leader": use worker or manager'],
    [{ Availability: 'gone' }, 'invalid node availability "gone": use active, pause or drain'],
  ])('makes sense, unlike %j', async (more, text) => {
    expect(await refusal(change('n1', more as Partial<NodeSpec>))).toBe(`invalid: ${text}`);
  });

  it('has a bound for labels', async () => {
    const Labels = { a: 'x'.repeat(1024 * 1024) };
    expect(await refusal(change('n1', { Labels }))).toContain('invalid: labels of the node have');
  });

  it('needs the node to be there', async () => {
    const request = { id: 'n9', version: 1, spec: node('n1').spec };
    expect(await refusal(desk.control.handle('node.update', request))).toBe(
      'notFound: node n9 not found',
    );
  });
});

describe('a change of a role', () => {
  it('is a wish: the role follows once Raft and certificate agree', async () => {
    await change('n1', { Role: 'manager' });
    expect(node('n1')).toMatchObject({ role: 'worker', spec: { Role: 'manager' } });
  });

  it('never leaves the cluster without a manager', async () => {
    await addManager('m1');
    expect(await refusal(change('m1', { Role: 'worker' }))).toBe(
      'precondition: attempting to demote the last manager of the swarm',
    );
    expect(node('m1').spec.Role).toBe('manager');
  });

  it('does not count on a manager that is only to become one', async () => {
    await addManager('m1');
    await change('n1', { Role: 'manager' });
    expect(await refusal(change('m1', { Role: 'worker' }))).toContain('the last manager');
  });

  it('does not count on a manager that is to be one no longer', async () => {
    await addManager('m1');
    await addManager('m2');
    await change('m1', { Role: 'worker' });
    expect(node('m1').manager).toBeDefined();
    expect(await refusal(change('m2', { Role: 'worker' }))).toContain('the last manager');
  });

  it('of both managers at the same time is one of one', async () => {
    await addManager('m1');
    await addManager('m2');
    const outcomes = await Promise.allSettled(
      ['m1', 'm2'].map((id) => change(id, { Role: 'worker' })),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('may be taken back', async () => {
    await addManager('m1');
    await addManager('m2');
    await change('m1', { Role: 'worker' });
    await change('m1', { Role: 'manager' });
    await change('m2', { Role: 'worker' });
    expect(node('m1').spec.Role).toBe('manager');
  });

  it('is nothing that keeps the last manager from being drained', async () => {
    await addManager('m1');
    await change('m1', { Availability: 'drain' });
    expect(node('m1').spec.Availability).toBe('drain');
  });
});

describe('a node that is to go', () => {
  it('is down, unless that is forced', async () => {
    expect(await refusal(drop('n1'))).toBe(
      "precondition: node n1 is not down and can't be removed",
    );
    await drop('n1', true);
    expect(desk.view.get('node', 'n1')).toBeUndefined();
  });

  it.each(['down', 'unknown', 'disconnected'] as const)('may be %s', async (state) => {
    await desk.change('node', 'n1', { status: { ...node('n1').status, state } });
    await drop('one');
    expect(desk.view.get('node', 'n1')).toBeUndefined();
  });

  it('is no manager, and none that is still a member of Raft', async () => {
    await addManager('m1');
    await addManager('m2');
    await down('m1');
    const text = 'precondition: node m1 is a cluster manager and is a member of the raft cluster';
    expect(await refusal(drop('m1', true))).toContain(text);
    await change('m1', { Role: 'worker' });
    expect(await refusal(drop('m1', true))).toContain(
      'It must be demoted to worker before removal',
    );
  });

  it('is none that is to become a manager', async () => {
    await change('n1', { Role: 'manager' });
    expect(await refusal(drop('n1', true))).toContain('is a cluster manager');
  });

  it('ends its session, so that its agent is not served on', async () => {
    await desk.put({ kind: 'session', nodeId: 'n1', managerId: 'm1' });
    await drop('n1', true);
    expect(desk.view.get('session', 'n1')).toBeUndefined();
  });

  it('is refused until its certificate ends', async () => {
    const certificateExpiresAt = desk.clock.now() + 5 * DAY_MS;
    await desk.change('node', 'n1', { certificateExpiresAt });
    await drop('n1', true);
    expect(blacklist()).toEqual({ n1: certificateExpiresAt });
  });

  it('is refused for as long as certificates are good when its own is unknown', async () => {
    await drop('n1', true);
    expect(blacklist()).toEqual({ n1: desk.clock.now() + 90 * DAY_MS });
  });

  it('takes others off the list whose certificates have ended', async () => {
    for (const [at, id] of ['n1', 'n2'].entries()) {
      if (id !== 'n1') await desk.addNode(id);
      const certificateExpiresAt = desk.clock.now() + (at + 1) * DAY_MS;
      await desk.change('node', id, { certificateExpiresAt });
      await drop(id, true);
    }
    expect(Object.keys(blacklist() ?? {})).toEqual(['n1', 'n2']);
    await desk.addNode('n3');
    await desk.clock.advance(DAY_MS);
    await drop('n3', true);
    expect(Object.keys(blacklist() ?? {})).toEqual(['n2', 'n3']);
  });

  it('are two at the same time: both are on the list', async () => {
    await desk.addNode('n2');
    await Promise.all([drop('n1', true), drop('n2', true)]);
    expect(Object.keys(blacklist() ?? {})).toEqual(['n1', 'n2']);
  });

  it('must be there', async () => {
    expect(await refusal(drop('n9', true))).toBe('notFound: node n9 not found');
  });
});
