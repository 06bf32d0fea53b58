// What must be on a host's disk before others hear of it, and what a host finds there after its
// process or its machine has died. Each story was a failure of the simulation once.
import type { Message } from 'raft-ts';
import { Network, Prng, SimDisk, VirtualClock } from 'sim';
import { afterEach, describe, expect, it } from 'vitest';
import { SimulatedHost, SimulatedLinks } from './simulated-hosts.ts';

const clock = new VirtualClock();
let hosts: SimulatedHost[] = [];

afterEach(() => {
  for (const host of hosts) host.crash();
  hosts = [];
});

/** Hosts with a disk each on one network; `sent` has all that they sent. */
function group(size: number): { disks: SimDisk[]; sent: Message[]; network: Network<Message> } {
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
    return new SimulatedHost(i + 1, { clock, random, disk, links });
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
  const [first, ...others] = hosts;
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
