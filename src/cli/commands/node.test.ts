// The node commands against a daemon whose managers change their leader.
import { Command } from 'commander';
import { afterEach, describe, expect, it } from 'vitest';
import { keptContext, type KeptContext } from '../../../test/builders/cli-context.ts';
import { fakeDaemon, type FakeDaemon, type FakeReply } from '../../../test/builders/fake-daemon.ts';
import { nodeCommands } from './node.ts';

let daemon: FakeDaemon | undefined;

afterEach(() => daemon?.close());

/** Demotes m1; `update` answers each try, and may carry it out all the same. */
async function demote(
  update: (node: { Role: string }, version: number) => FakeReply,
): Promise<{ context: KeptContext; versions: (string | null)[] }> {
  const spec = { Role: 'manager', Availability: 'active', Labels: {} };
  let version = 7;
  const fake = (daemon = await fakeDaemon(({ method, path }) => {
    const node = { ID: 'id1', Version: { Index: version }, Spec: spec, Description: {} };
    if (method === 'GET' && path === '/nodes') return { body: [node] };
    if (method === 'GET' && path.startsWith('/nodes/')) return { body: node };
    return update(spec, version++);
  }));
  const context = keptContext(fake.host);
  const program = new Command();
  nodeCommands(program, () => context);
  await program.parseAsync(['node', 'demote', 'id1'], { from: 'user' });
  const updates = fake.requests.filter((request) => request.method === 'POST');
  return { context, versions: updates.map(({ query }) => query.get('version')) };
}

const overtaken: FakeReply = { status: 503, body: { message: 'the leader changed' } };

describe('node demote', () => {
  it('tries again on what the node is now when the leader changes meanwhile', async () => {
    const { context, versions } = await demote((_, version) => (version < 9 ? overtaken : {}));
    expect(versions).toEqual(['7', '8', '9']);
    expect(context.out()).toBe('Node id1 demoted in the swarm.\n');
  });

  it('is content when the change was made and only its answer was lost', async () => {
    const { context, versions } = await demote((spec) => {
      spec.Role = 'worker';
      return overtaken;
    });
    expect(versions).toEqual(['7']);
    expect(context.out()).toBe('Node id1 demoted in the swarm.\n');
  });

  it('says in the end what stands in the way, and at once what no other try would mend', async () => {
    await expect(demote(() => overtaken)).rejects.toThrow('the leader changed');
    await daemon?.close();
    const refused = { status: 400, body: { message: 'the last manager' } };
    await expect(demote(() => refused)).rejects.toThrow('the last manager');
    expect(daemon?.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });
});
