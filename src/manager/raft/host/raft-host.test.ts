// Hosts in the simulated world: one member, three members, crashes, snapshots, membership.
import type { Message } from 'raft-ts';
import { Network, Prng, SimDisk, VirtualClock } from 'sim';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConsensusOptions } from '../contract/index.ts';
import { SimulatedHost, SimulatedLinks } from '../../../../test/builders/simulated-hosts.ts';

class World {
  readonly prng: Prng;
  readonly clock = new VirtualClock();
  readonly network: Network<Message>;
  readonly links: SimulatedLinks;
  readonly hosts = new Map<number, SimulatedHost>();
  readonly disks = new Map<number, SimDisk>();
  readonly options: Partial<ConsensusOptions>;

  constructor(seed: number, options: Partial<ConsensusOptions> = {}) {
    this.prng = new Prng(seed);
    this.network = new Network(this.clock, this.prng.split('network'));
    this.links = new SimulatedLinks(this.network);
    this.options = options;
  }

  add(raftId: number): SimulatedHost {
    const disk = new SimDisk();
    disk.before = async (operation) => {
      if (operation !== 'sync') return;
      await new Promise<void>((resolve) => {
        this.clock.after(1, resolve);
      });
    };
    this.disks.set(raftId, disk);
    const random = this.prng.split(`random ${raftId}`);
    const machine = { clock: this.clock, random, disk, links: this.links };
    const host = new SimulatedHost(raftId, machine, this.options);
    this.hosts.set(raftId, host);
    return host;
  }

  async run<T>(work: Promise<T>, limitMs = 30_000): Promise<T> {
    let done = false;
    const settled = work.finally(() => {
      done = true;
    });
    settled.catch(() => {});
    await this.clock.until(() => done, limitMs, 'the call');
    return settled;
  }

  get all(): SimulatedHost[] {
    return [...this.hosts.values()];
  }

  leader(): SimulatedHost | undefined {
    return this.all.find((host) => host.isLeader);
  }

  /** A group of three voters. */
  async three(): Promise<void> {
    const first = this.add(1);
    await this.run(first.start({ kind: 'bootstrap' }));
    await this.clock.until(() => first.isLeader, 5000, 'the first leader');
    for (const raftId of [2, 3]) {
      const host = this.add(raftId);
      await this.run(first.host?.addMember(host.self) ?? Promise.reject(new Error('no host')));
      const members = first.host?.status.members ?? [];
      await this.run(host.start({ kind: 'join', members }));
      await this.clock.until(
        () => first.host?.status.voters.includes(raftId) === true,
        10_000,
        `promotion of ${raftId}`,
      );
    }
  }

  crash(raftId: number): void {
    this.hosts.get(raftId)?.crash();
    this.disks.get(raftId)?.crash(this.prng.split(`crash ${raftId} ${this.clock.monotonicMs()}`));
  }

  async restart(raftId: number): Promise<void> {
    const host = this.hosts.get(raftId);
    await this.run(host?.start({ kind: 'restart' }) ?? Promise.reject(new Error('no host')));
  }
}

const worlds: World[] = [];
const world = (seed: number, options?: Partial<ConsensusOptions>): World => {
  const made = new World(seed, options);
  worlds.push(made);
  return made;
};

afterEach(() => {
  for (const made of worlds.splice(0)) for (const host of made.all) host.crash();
});

describe('a single manager', () => {
  it('leads at once and gives every proposal its index', async () => {
    const w = world(1);
    const host = w.add(1);
    await w.run(host.start({ kind: 'bootstrap' }));
    await w.clock.until(() => host.isLeader, 1000);
    const first = await w.run(host.propose('a'));
    const second = await w.run(host.propose('b'));
    expect(second).toBe(first + 1);
    expect(host.texts).toEqual(['a', 'b']);
    await w.run(host.host?.barrier() ?? Promise.reject(new Error('no host')));
  });

  it('has everything acknowledged after a crash', async () => {
    const w = world(2);
    const host = w.add(1);
    await w.run(host.start({ kind: 'bootstrap' }));
    await w.clock.until(() => host.isLeader, 1000);
    for (let i = 0; i < 20; i++) await w.run(host.propose(`entry ${i}`));
    w.crash(1);
    await w.restart(1);
    await w.clock.until(() => host.texts.length >= 20, 10_000);
    expect(host.texts).toEqual(Array.from({ length: 20 }, (_, i) => `entry ${i}`));
  });

  it('restarts from a snapshot and the log behind it', async () => {
    const w = world(3, { snapshotInterval: 10 });
    const host = w.add(1);
    await w.run(host.start({ kind: 'bootstrap' }));
    await w.clock.until(() => host.isLeader, 1000);
    for (let i = 0; i < 35; i++) await w.run(host.propose(`entry ${i}`));
    expect(
      w.disks
        .get(1)
        ?.paths()
        .some((path) => path.endsWith('.snap')),
    ).toBe(true);
    await w.run(host.host?.close() ?? Promise.reject(new Error('no host')));
    await w.restart(1);
    await w.clock.until(() => host.texts.length >= 35, 10_000);
    expect(host.texts).toEqual(Array.from({ length: 35 }, (_, i) => `entry ${i}`));
    expect(host.host?.status.members.map((member) => member.nodeId)).toEqual(['node1']);
  });

  it('stops for good when a sync fails', async () => {
    const w = world(4);
    const host = w.add(1);
    await w.run(host.start({ kind: 'bootstrap' }));
    await w.clock.until(() => host.isLeader, 1000);
    const disk = w.disks.get(1);
    if (disk !== undefined) {
      disk.before = async (operation) => {
        if (operation === 'sync') throw new Error('I/O error');
      };
    }
    await expect(w.run(host.propose('lost'))).rejects.toThrow('I/O error');
    expect(host.failure?.message).toContain('I/O error');
  });

  it('goes on with a log that it has begun, and does not restart without one', async () => {
    const w = world(5);
    const host = w.add(1);
    await expect(w.run(host.start({ kind: 'restart' }))).rejects.toMatchObject({
      code: 'notFound',
    });
    await w.run(host.start({ kind: 'bootstrap' }));
    await w.clock.until(() => host.isLeader, 1000);
    await w.run(host.propose('once'));
    w.crash(1);
    await w.run(host.start({ kind: 'bootstrap' }));
    await w.clock.until(() => host.texts.includes('once'), 1000);
    expect(host.texts).toEqual(['once']);
  });
});

describe('three managers', () => {
  it('elect a new leader within two seconds when the leader is cut off', async () => {
    const w = world(6);
    await w.three();
    const old = w.leader();
    expect(old).toBeDefined();
    const oldId = old?.self.raftId ?? 0;
    await w.run(old?.propose('before') ?? Promise.reject(new Error('no leader')));
    const others = [1, 2, 3].filter((id) => id !== oldId);
    w.network.partition([[oldId], others]);
    const since = w.clock.monotonicMs();
    await w.clock.until(
      () => others.some((id) => w.hosts.get(id)?.isLeader === true),
      5000,
      'a new leader',
    );
    expect(w.clock.monotonicMs() - since).toBeLessThan(2500);
    const next = others.map((id) => w.hosts.get(id)).find((host) => host?.isLeader === true);
    await w.run(next?.propose('after') ?? Promise.reject(new Error('no leader')));
    await expect(w.run(old?.propose('void') ?? Promise.resolve(0))).rejects.toMatchObject({
      code: 'unavailable',
    });
    w.network.heal();
    await w.clock.until(() => w.all.every((host) => host.texts.includes('after')), 10_000);
    expect(w.all.map((host) => host.texts)).toEqual([
      ['before', 'after'],
      ['before', 'after'],
      ['before', 'after'],
    ]);
  });

  it('answer barriers on followers, and refuse proposals there', async () => {
    const w = world(7);
    await w.three();
    const leader = w.leader();
    const follower = w.all.find((host) => !host.isLeader);
    await w.run(leader?.propose('x') ?? Promise.reject(new Error('no leader')));
    await w.run(follower?.host?.barrier() ?? Promise.reject(new Error('no follower')));
    expect(follower?.texts).toEqual(['x']);
    await expect(follower?.propose('y')).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('refuse what was decided in a term that is over', async () => {
    const w = world(7);
    await w.three();
    const leader = w.leader();
    const term = leader?.host?.status.term ?? 0;
    await expect(leader?.propose('old', term - 1)).rejects.toMatchObject({ code: 'unavailable' });
    await w.run(leader?.propose('new', term) ?? Promise.reject(new Error('no leader')));
    expect(leader?.texts).toEqual(['new']);
  });

  it('bring a member that was away back by a snapshot', async () => {
    const w = world(8, { snapshotInterval: 600 });
    await w.three();
    w.crash(3);
    const leader = w.leader();
    for (let i = 0; i < 30; i++) {
      const texts = Array.from({ length: 50 }, (_, j) => `entry ${i * 50 + j}`);
      await w.run(Promise.all(texts.map(async (text) => leader?.propose(text))));
    }
    await w.restart(3);
    const back = w.hosts.get(3);
    await w.clock.until(() => back?.texts.length === 1500, 30_000, 'the snapshot');
    expect(back?.texts).toEqual(leader?.texts);
  });

  it('take in a new member after the log was compacted', async () => {
    const w = world(17, { snapshotInterval: 600 });
    const first = w.add(1);
    await w.run(first.start({ kind: 'bootstrap' }));
    await w.clock.until(() => first.isLeader, 5000);
    for (let i = 0; i < 30; i++) {
      const texts = Array.from({ length: 50 }, (_, j) => `entry ${i * 50 + j}`);
      await w.run(Promise.all(texts.map((text) => first.propose(text))));
    }
    const second = w.add(2);
    await w.run(first.host?.addMember(second.self) ?? Promise.resolve());
    const members = first.host?.status.members ?? [];
    await w.run(second.start({ kind: 'join', members }));
    await w.clock.until(() => first.host?.status.voters.length === 2, 10_000, 'promotion');
    await w.run(first.propose('both'));
    await w.clock.until(() => second.texts.includes('both'), 1000);
    expect(second.texts).toEqual(first.texts);
    expect(second.host?.status.members).toEqual(first.host?.status.members);
  });

  it('refuse a removal that would cost the quorum, and do one that does not', async () => {
    const w = world(9);
    await w.three();
    const leader = w.leader();
    const [gone = 0, other = 0] = [1, 2, 3].filter((id) => id !== leader?.self.raftId);
    w.crash(gone);
    await w.clock.advance(3000);
    await expect(
      w.run(leader?.host?.removeMember(other) ?? Promise.resolve()),
    ).rejects.toMatchObject({ code: 'precondition' });
    await w.run(leader?.host?.removeMember(gone) ?? Promise.reject(new Error('no leader')));
    expect(leader?.host?.status.voters).toHaveLength(2);
    await w.run(leader?.propose('still works') ?? Promise.reject(new Error('no leader')));
  });

  it('go on as one after the other has left and the machine has crashed', async () => {
    const w = world(18);
    const first = w.add(1);
    await w.run(first.start({ kind: 'bootstrap' }));
    await w.clock.until(() => first.isLeader, 5000);
    const second = w.add(2);
    await w.run(first.host?.addMember(second.self) ?? Promise.resolve());
    await w.run(second.start({ kind: 'join', members: first.host?.status.members ?? [] }));
    await w.clock.until(() => first.host?.status.voters.length === 2, 10_000, 'promotion');
    await w.run(first.host?.removeMember(2) ?? Promise.resolve());
    w.crash(2);
    w.crash(1);
    await w.restart(1);
    await w.clock.until(() => first.isLeader, 5000, 'the last one to lead');
    await w.run(first.propose('alone'));
  });

  it('hand leadership over, also when the leader closes', async () => {
    const w = world(10);
    await w.three();
    const leader = w.leader();
    const to = w.all.find((host) => !host.isLeader);
    await w.run(leader?.host?.transferLeadership(to?.self.raftId) ?? Promise.resolve());
    await w.clock.until(() => to?.isLeader === true, 1000);
    const since = w.clock.monotonicMs();
    await w.run(to?.host?.close() ?? Promise.resolve());
    await w.clock.until(() => w.all.some((host) => host !== to && host.isLeader), 1000);
    expect(w.clock.monotonicMs() - since).toBeLessThan(800);
  });
});

describe('a leader whose process is dead', () => {
  it('is replaced at once by those who find nobody at its address', async () => {
    const w = world(22);
    await w.three();
    const leader = w.leader();
    const dead = leader?.self.raftId ?? 0;
    w.crash(dead);
    const others = w.all.filter((host) => host !== leader);
    for (const { self } of others) w.links.receivers.get(self.raftId)?.unreachable(dead, true);
    await w.clock.until(() => others.some((host) => host.isLeader), 400, 'a new leader');
  });

  it('is kept when only one finds it so, and the others hear it', async () => {
    const w = world(23);
    await w.three();
    const leader = w.leader();
    const term = leader?.host?.status.term;
    const [other] = w.all.filter((host) => host !== leader);
    w.links.receivers.get(other?.self.raftId ?? 0)?.unreachable(leader?.self.raftId ?? 0, true);
    await w.clock.advance(5_000);
    expect(leader?.isLeader).toBe(true);
    expect(leader?.host?.status.term).toBe(term);
  });
});

describe('several members at once', () => {
  it('go in one step, while the old quorum still counts', async () => {
    const w = world(21);
    const first = w.add(1);
    await w.run(first.start({ kind: 'bootstrap' }));
    await w.clock.until(() => first.isLeader, 5000);
    const voters = (): string =>
      (w.leader()?.host?.status.voters ?? []).toSorted((a, b) => a - b).join();
    for (const raftId of [2, 3, 4, 5]) {
      const host = w.add(raftId);
      await w.run(first.host?.addMember(host.self) ?? Promise.reject(new Error('no host')));
    }
    for (const raftId of [2, 3, 4, 5]) {
      const members = first.host?.status.members ?? [];
      await w.run(w.hosts.get(raftId)?.start({ kind: 'join', members }) ?? Promise.resolve());
    }
    await w.clock.until(() => voters() === '1,2,3,4,5', 20_000, 'five voters');
    await w.run(first.propose('five'));
    first.statuses = [];
    await w.run(first.host?.removeMember(2, 3, 4, 5) ?? Promise.reject(new Error('no host')));
    await w.clock.until(() => voters() === '1', 10_000, 'one voter');
    await w.run(first.propose('one'));
    expect(first.host?.status.members.map(({ raftId }) => raftId)).toEqual([1]);
    expect(first.texts).toEqual(['five', 'one']);
    // One after another would have shown groups of four, three and two.
    const sizes = first.statuses.map((status) => status.voters.length);
    expect(sizes.filter((size) => size > 1 && size < 5)).toEqual([]);
  });
});

describe('crashes at any time', () => {
  for (const seed of [11, 12, 13, 14, 15, 16]) {
    it(`lose nothing that was acknowledged (seed ${seed})`, async () => {
      const w = world(seed, { snapshotInterval: 40 });
      await w.three();
      w.network.faults = { loss: 0.02, repeat: 0.02, minDelayMs: 1, maxDelayMs: 20 };
      const acknowledged = new Set<string>();
      const load = w.prng.split('load');
      for (let round = 0; round < 60; round++) {
        for (let i = 0; i < 3; i++) {
          const text = `${round}.${i}`;
          w.leader()
            ?.propose(text)
            .then(
              () => acknowledged.add(text),
              () => {},
            );
        }
        const victim = load.between(1, 3);
        if (load.chance(0.15) && w.hosts.get(victim)?.host !== undefined) {
          w.crash(victim);
          await w.clock.advance(load.between(1, 1500));
          await w.restart(victim);
        }
        await w.clock.advance(load.between(1, 400));
      }
      w.network.faults = { loss: 0, repeat: 0, minDelayMs: 1, maxDelayMs: 1 };
      await w.clock.until(() => w.leader() !== undefined, 20_000, 'a leader');
      await w.run(w.leader()?.propose('end') ?? Promise.reject(new Error('no leader')));
      await w.clock.until(() => w.all.every((host) => host.texts.includes('end')), 20_000, 'all');
      expect(w.all.map((host) => host.failure)).toEqual([undefined, undefined, undefined]);
      const [first, ...rest] = w.all.map((host) => host.texts);
      for (const texts of rest) expect(texts).toEqual(first);
      expect(acknowledged.size).toBeGreaterThan(30);
      for (const text of acknowledged) expect(first).toContain(text);
    });
  }
});

describe('idle members', () => {
  it('wake for heartbeats alone: a minute of three of them is counted', async () => {
    const world = new World(7, { tickMs: 50, heartbeatTicks: 3 });
    await world.three();
    await world.clock.advance(5_000);
    const leader = world.leader();
    const { term } = leader?.host?.status ?? { term: 0 };
    const counted = { timers: 0, messages: 0 };
    const [after, send] = [
      world.clock.after.bind(world.clock),
      world.network.send.bind(world.network),
    ];
    world.clock.after = (delayMs, fire) =>
      after(delayMs, () => {
        // A message on its way is a timer of the network.
        counted.timers++;
        fire();
      });
    world.network.send = (from, to, message) => {
      counted.messages++;
      send(from, to, message);
    };
    await world.clock.advance(60_000);
    // Every 150 ms a heartbeat to each of two, and its answer.
    expect(counted.messages).toBeLessThanOrEqual(4 * 400);
    // The leader wakes for each round and to check its quorum, the others twice a second.
    const wakes = counted.timers - counted.messages;
    expect(wakes).toBeLessThanOrEqual(400 + 120 + 2 * 150);
    expect(world.leader()).toBe(leader);
    expect(leader?.host?.status.term).toBe(term);
  });
});
