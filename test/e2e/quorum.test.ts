// The number of managers changes while clients write: 1 → 3 → 5 → 3 → 1. Nothing that was acknowledged is
// lost, nothing is there twice, and what would cost the quorum is refused.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestLab, waitFor } from './harness.ts';

const HOSTS = ['m1', 'w1', 'w2', 'w3', 'w4'];

let lab: TestLab;

beforeAll(async () => {
  lab = await TestLab.up('e2equorum', 1, 4);
});

afterAll(async () => {
  await lab.down();
});

/** Host names of the managers that vote and are heard, as one of them sees it. */
async function managers(via: string): Promise<string> {
  const nodes = await lab.nodes(via).catch(() => []);
  const good = nodes.filter((node) => node.ManagerStatus?.Reachability === 'reachable');
  return good
    .map(({ Description }) => Description.Hostname)
    .sort()
    .join();
}

/** Writes one config after another, through any manager that answers, until it is told to stop. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly #done: Promise<void>;
  #stopped = false;

  constructor(hosts: () => readonly string[], prefix: string) {
    this.#done = this.#run(hosts, prefix);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(hosts: () => readonly string[], prefix: string): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const all = hosts();
      const host = all[i % all.length] ?? 'm1';
      const name = `${prefix}-${i}`;
      const body = { Name: name, Data: Buffer.from(name).toString('base64') };
      // A refused one may be there all the same; it is not tried again.
      const ok = await lab.api(host, 'POST', '/configs/create', body).then(
        () => true,
        () => false,
      );
      if (ok) this.acknowledged.push(name);
    }
  }
}

async function configNames(via: string): Promise<string[]> {
  const configs = await lab.api<{ Spec: { Name: string } }[]>(via, 'GET', '/configs');
  return configs.map(({ Spec }) => Spec.Name);
}

describe('managers that come and go under load', () => {
  let now: readonly string[] = ['m1'];

  async function become(next: readonly string[], via: string, change: string[]): Promise<void> {
    now = next;
    await lab.ok(via, 'node', ...change);
    for (const host of next) {
      const wanted = [...next].sort().join();
      await waitFor(
        `${wanted} as ${host} sees them`,
        async () => (await managers(host)) === wanted,
        60_000,
      );
    }
  }

  it('lose nothing: 1 → 3 → 5 → 3 → 1', async () => {
    const writers = ['a', 'b'].map((prefix) => new Writer(() => now, prefix));
    await become(['m1', 'w1', 'w2'], 'm1', ['promote', 'w1', 'w2']);
    await become(HOSTS, 'm1', ['promote', 'w3', 'w4']);
    const leader = await lab.leader('w4');
    const [follower = ''] = HOSTS.filter((host) => host !== leader && host !== 'w4');
    const three = HOSTS.filter((host) => host !== leader && host !== follower);
    await become(three, 'w4', ['demote', leader, follower]);
    await become(['w4'], 'w4', ['demote', ...three.filter((host) => host !== 'w4')]);
    for (const writer of writers) await writer.stop();
    const names = await configNames('w4');
    expect(new Set(names).size).toBe(names.length);
    const acknowledged = writers.flatMap((writer) => writer.acknowledged);
    expect(acknowledged.length).toBeGreaterThan(50);
    const lost = acknowledged.filter((name) => !names.includes(name));
    expect(lost).toEqual([]);
  }, 240_000);

  it('are not demoted when that would lose the quorum', async () => {
    await become(['m1', 'w1', 'w4'], 'w4', ['promote', 'm1', 'w1']);
    const leader = await lab.leader('w4');
    const [dead = '', alive = ''] = ['m1', 'w1', 'w4'].filter((host) => host !== leader);
    await lab.lab('kill', dead);
    await waitFor('the dead one to be unreachable', async () => {
      const nodes = await lab.nodes(leader);
      const node = nodes.find(({ Description }) => Description.Hostname === dead);
      return node?.ManagerStatus?.Reachability === 'unreachable';
    });
    const refused = await lab.cli(leader, 'node', 'demote', alive);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(
      `node ${alive} can't be demoted: it would lose the quorum: of the 2 managers left 1 would be reachable, 2 are needed`,
    );
    await lab.ok(leader, 'node', 'demote', dead);
    await waitFor('two managers', async () => {
      return (await managers(leader)) === [leader, alive].sort().join();
    });
    await lab.ok(leader, 'node', 'demote', alive);
    await waitFor('one manager', async () => (await managers(leader)) === leader);
  }, 120_000);
});
