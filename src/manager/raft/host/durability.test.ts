// What must be on a host's disk before others hear of it, and what a host finds there after its
// process or its machine has died. Each story was a failure of the simulation once.
import type { Entry, Message } from 'raft-ts';
import { Network, Prng, settle, SimDisk, VirtualClock } from 'sim';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConsensusOptions } from '../contract/index.ts';
import { SimulatedHost, SimulatedLinks } from '../../../../test/builders/simulated-hosts.ts';
import { openWal, type WalBatch, type WalOptions } from '../log/index.ts';

const clock = new VirtualClock();
let hosts: SimulatedHost[] = [];

afterEach(() => {
  for (const host of hosts) host.crash();
  hosts = [];
});

/** Hosts with a disk each on one network; `sent` has all that they sent. */
function group(
  size: number,
  options: Partial<ConsensusOptions> = {},
): { disks: SimDisk[]; sent: Message[]; network: Network<Message> } {
  const prng = new Prng('durability');
  const network = new Network<Message>(clock, prng.split('network'));
  const sent: Message[] = [];
  const send = network.send.bind(network);
  network.send = (from, to, message) => {
    sent.push(message);
    send(from, to, message);
  };
  const links = new SimulatedLinks(network);
  const disks = Array.from({ length: size }, () => new SimDisk());
  hosts = disks.map((disk, i) => {
    const random = prng.split(`host ${i + 1}`);
    return new SimulatedHost(i + 1, { clock, random, disk, links }, options);
  });
  return { disks, sent, network };
}

async function run<T>(work: Promise<T> | undefined): Promise<T> {
  if (work === undefined) throw new Error('no host');
  let done = false;
  const settled = work.finally(() => {
    done = true;
  });
  settled.catch(() => {});
  await clock.until(() => done, 30_000, 'the call');
  return settled;
}

async function threeVoters(): Promise<void> {
  const [first, ...others] = hosts.slice(0, 3);
  await run(first?.start({ kind: 'bootstrap' }));
  await clock.until(() => first?.isLeader === true, 5000);
  for (const host of others) {
    await run(first?.host?.addMember(host.self));
    await run(host.start({ kind: 'join', members: first?.host?.status.members ?? [] }));
    const votes = (): boolean => first?.host?.status.voters.includes(host.self.raftId) === true;
    await clock.until(votes, 10_000, 'promotion');
  }
}

describe('a candidate', () => {
  it('asks for votes once its own is on disk, lest it wins one term twice', async () => {
    const { disks, sent, network } = group(3);
    await threeVoters();
    await clock.advance(1000);
    network.partition([[1], [2, 3]]);
    sent.length = 0;
    for (const [i, disk] of disks.entries()) {
      const mayVote = (): boolean =>
        !sent.some(({ type, from }) => type === 'MsgPreVote' && from === i + 1);
      disk.before = async () => (mayVote() ? undefined : new Promise(() => {}));
    }
    await clock.advance(6000);
    expect(sent.map(({ type }) => type)).toContain('MsgPreVoteResp');
    expect(sent.map(({ type }) => type)).not.toContain('MsgVote');
    expect(hosts.slice(1).some((host) => host.isLeader)).toBe(false);
  });
});

describe('a member that was away', () => {
  it('is led by one that joined in the meantime', async () => {
    group(4);
    await threeVoters();
    const [first, , third, fourth] = hosts;
    third?.crash();
    if (fourth === undefined) throw new Error('no host');
    await run(first?.host?.addMember(fourth.self));
    await run(fourth.start({ kind: 'join', members: first?.host?.status.members ?? [] }));
    const votes = (): boolean => first?.host?.status.voters.includes(4) === true;
    await clock.until(votes, 10_000, 'promotion');
    await run(first?.host?.transferLeadership(4));
    first?.crash();
    await run(third?.start({ kind: 'restart' }));
    await clock.until(() => third?.host?.status.members.length === 4, 20_000, 'the news');
    await run(fourth.propose('after'));
    await clock.until(() => third?.texts.includes('after') === true, 5000, 'the entry');
  });
});

describe('few large entries', () => {
  it('are followed by a snapshot as many small ones are', async () => {
    const { disks } = group(1, { snapshotLogBytes: 100_000, logSegmentBytes: 32_768 });
    const [host] = hosts;
    await run(host?.start({ kind: 'bootstrap' }));
    await clock.until(() => host?.isLeader === true, 5000);
    for (let i = 0; i < 60; i++) await run(host?.propose('x'.repeat(20_000)));
    await clock.advance(1000);
    const paths = disks[0]?.paths() ?? [];
    expect(paths.filter((path) => path.endsWith('.snap'))).toHaveLength(1);
    expect(paths.filter((path) => path.endsWith('.log')).length).toBeLessThan(12);
  });
});

describe('a log that is read after a kill', () => {
  async function appended(disk: SimDisk, failing: boolean): Promise<void> {
    const options = walOptions(disk);
    const { wal } = await openWal(options);
    await wal.append(batch(1));
    disk.before = async (operation) => {
      if (operation !== 'sync') return;
      if (failing) throw new Error('EIO');
      await new Promise(() => {});
    };
    wal.append(batch(2)).catch(() => {});
    await settle();
    disk.kill();
    disk.before = async () => {};
  }

  it.each([
    ['killed before the sync', false],
    ['ended by a failed sync', true],
  ])('is on disk before it is built upon: %s', async (_, failing) => {
    const disk = new SimDisk();
    await appended(disk, failing);
    const { log } = await openWal(walOptions(disk));
    expect(log.entries.map(({ index }) => index)).toEqual([1, 2]);
    disk.crash(new Prng('power'));
    const again = await openWal(walOptions(disk));
    expect(again.log.entries.map(({ index }) => index)).toEqual([1, 2]);
  });
});

function walOptions(disk: SimDisk): WalOptions {
  const random = new Prng('wal');
  const dataKey = new Uint8Array(32);
  return { disk, random, directory: '/raft', dataKey, raftId: 1, segmentBytes: 4096 };
}

function batch(index: number): WalBatch {
  const data = new Uint8Array(1500).fill(index);
  const entries: Entry[] = [{ index, term: 1, type: 'normal', data }];
  return { hardState: { term: 1, vote: 1, commit: 0 }, entries, snapshot: undefined };
}
