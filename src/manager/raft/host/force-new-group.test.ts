// A group founded anew by its last member, and one founded out of a backup, in the simulated world.
import type { Message } from 'raft-ts';
import { Network, Prng, SimDisk, VirtualClock } from 'sim';
import { afterEach, describe, expect, it } from 'vitest';
import { FORCED_INDEX_GAP } from '../contract/index.ts';
import { foundGroup, forceNewGroup } from './force-new-group.ts';
import {
  RecordingMachine,
  SimulatedHost,
  SimulatedLinks,
} from '../../../../test/builders/simulated-hosts.ts';

class World {
  readonly prng = new Prng('force new group');
  readonly clock = new VirtualClock();
  readonly links = new SimulatedLinks(new Network<Message>(this.clock, this.prng.split('net')));
  readonly disks = new Map<number, SimDisk>();
  readonly hosts = new Map<number, SimulatedHost>();

  add(raftId: number): SimulatedHost {
    const disk = new SimDisk();
    this.disks.set(raftId, disk);
    const random = this.prng.split(`${raftId}`);
    const machine = { clock: this.clock, random, disk, links: this.links };
    const host = new SimulatedHost(raftId, machine, { snapshotInterval: 8 });
    this.hosts.set(raftId, host);
    return host;
  }

  async run<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const settled = work.finally(() => {
      done = true;
    });
    settled.catch(() => {});
    await this.clock.until(() => done, 30_000, 'the call');
    return settled;
  }

  files(host: SimulatedHost): Parameters<typeof forceNewGroup>[0] {
    const { raftId } = host.self;
    const disk = this.disks.get(raftId) ?? new SimDisk();
    const dataKey = new Uint8Array(32).fill(raftId);
    return { disk, random: this.prng.split(`files ${raftId}`), directory: '/raft', dataKey };
  }

  async three(): Promise<SimulatedHost> {
    const first = this.add(1);
    await this.run(first.start({ kind: 'bootstrap' }));
    await this.clock.until(() => first.isLeader, 5_000);
    for (const raftId of [2, 3]) {
      const host = this.add(raftId);
      await this.run(first.host?.addMember(host.self) ?? Promise.reject(new Error('no host')));
      await this.run(host.start({ kind: 'join', members: first.host?.status.members ?? [] }));
      const votes = (): boolean => first.host?.status.voters.includes(raftId) === true;
      await this.clock.until(votes, 10_000);
    }
    return first;
  }
}

const worlds: World[] = [];
const world = (): World => {
  const made = new World();
  worlds.push(made);
  return made;
};

afterEach(() => {
  for (const made of worlds.splice(0)) for (const host of made.hosts.values()) host.crash();
});

const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `entry ${i}`);

describe('a group whose other members are lost', () => {
  it('is led by the survivor alone, with all that it had, and takes new members', async () => {
    const w = world();
    const first = await w.three();
    for (const text of texts(20)) await w.run(first.propose(text));
    const before = first.host?.status.appliedIndex ?? 0;
    for (const host of w.hosts.values()) host.crash();
    w.disks.get(1)?.crash(w.prng);
    // Twice, as when the process is killed in the middle and started again.
    await w.run(forceNewGroup(w.files(first), first.self, new RecordingMachine()));
    const machine = new RecordingMachine();
    await w.run(forceNewGroup(w.files(first), first.self, machine));
    expect(machine.log.map(({ text }) => text)).toEqual(texts(20));
    await w.run(first.start({ kind: 'restart' }));
    await w.clock.until(() => first.isLeader, 5_000);
    expect(first.texts).toEqual(texts(20));
    expect(first.host?.status.members).toEqual([first.self]);
    expect(await w.run(first.propose('after'))).toBeGreaterThan(before + FORCED_INDEX_GAP);
    const fourth = w.add(4);
    await w.run(first.host?.addMember(fourth.self) ?? Promise.reject(new Error('no host')));
    await w.run(fourth.start({ kind: 'join', members: first.host?.status.members ?? [] }));
    await w.clock.until(() => fourth.texts.includes('after'), 10_000);
    expect(fourth.texts).toEqual([...texts(20), 'after']);
  });

  it('keeps what it wrote after it, over several restarts', async () => {
    const w = world();
    const first = await w.three();
    for (const text of texts(3)) await w.run(first.propose(text));
    for (const host of w.hosts.values()) host.crash();
    await w.run(forceNewGroup(w.files(first), first.self, new RecordingMachine()));
    for (const text of ['x', 'y']) {
      await w.run(first.start({ kind: 'restart' }));
      await w.clock.until(() => first.isLeader, 5_000);
      await w.run(first.propose(text));
      first.crash();
      w.disks.get(1)?.crash(w.prng);
    }
    await w.run(first.start({ kind: 'restart' }));
    await w.clock.until(() => first.texts.includes('y'), 5_000);
    expect(first.texts).toEqual([...texts(3), 'x', 'y']);
  });

  it('refuses the old members when they come back', async () => {
    const w = world();
    const first = await w.three();
    for (const host of w.hosts.values()) host.crash();
    await w.run(forceNewGroup(w.files(first), first.self, new RecordingMachine()));
    await w.run(first.start({ kind: 'restart' }));
    await w.clock.until(() => first.isLeader, 5_000);
    const receiver = w.links.receivers.get(1);
    expect(receiver?.mayBe(2, 'node2')).toBe(false);
    expect(receiver?.mayBe(3, 'node3')).toBe(false);
  });
});

describe('a group out of a backup', () => {
  it('begins with that state on an empty disk', async () => {
    const w = world();
    const host = w.add(9);
    const saved = new RecordingMachine();
    saved.log = texts(3).map((text, i) => ({ index: i + 1, text }));
    const state = { index: 40, term: 7, chunks: saved.snapshot() };
    await w.run(foundGroup(w.files(host), host.self, state));
    await w.run(host.start({ kind: 'restart' }));
    await w.clock.until(() => host.isLeader, 5_000);
    await w.run(host.propose('new'));
    expect(host.texts).toEqual([...texts(3), 'new']);
    expect(host.host?.status.term).toBeGreaterThan(7);
    host.crash();
    w.disks.get(9)?.crash(w.prng);
    await w.run(host.start({ kind: 'restart' }));
    await w.clock.until(() => host.texts.length === 4, 5_000);
  });
});
