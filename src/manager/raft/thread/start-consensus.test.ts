// Consensus within one thread: the channel between owner and host, with virtual time and disk.
import { Network, Prng, SimDisk, VirtualClock } from 'sim';
import type { Message } from 'raft-ts';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/index.ts';
import type { CommittedEntry, Consensus, ConsensusHandler } from '../contract/index.ts';
import { SimulatedLinks } from '../../../../test/builders/simulated-hosts.ts';
import { startLocalConsensus } from './start-consensus.ts';

class Owner implements ConsensusHandler {
  texts: string[] = [];
  indexes: number[] = [];
  leads: boolean[] = [];
  failure: Error | undefined;
  broken = false;

  apply(entries: readonly CommittedEntry[]): void {
    if (this.broken) throw new Error('the store is broken');
    for (const { index, payload } of entries) {
      this.indexes.push(index);
      if (payload.length > 0) this.texts.push(new TextDecoder().decode(payload));
    }
  }

  async *snapshot(): AsyncGenerator<Uint8Array> {
    const view = [...this.texts];
    for (const text of view) yield new TextEncoder().encode(`${text}\n`);
  }

  async restore(_index: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    let text = '';
    for await (const chunk of chunks) text += new TextDecoder().decode(chunk);
    this.texts = text.split('\n').filter((line) => line !== '');
  }

  statusChanged(status: Consensus['status']): void {
    this.leads.push(status.isLeader);
  }

  failed(error: Error): void {
    this.failure = error;
  }
}

class Machine {
  readonly clock = new VirtualClock();
  readonly disk = new SimDisk();
  readonly prng = new Prng('owner');
  readonly links = new SimulatedLinks(new Network<Message>(this.clock, this.prng.split('net')));

  async start(kind: 'bootstrap' | 'restart', owner: Owner): Promise<Consensus> {
    const { clock, disk, links } = this;
    return startLocalConsensus(
      {
        directory: '/raft',
        self: { raftId: 1, nodeId: 'node1', address: 'a:1' },
        listenAddress: 'a:1',
        start: { kind },
        tls: { certificate: '', key: '', rootCertificates: '' },
        tickMs: 100,
        electionTicks: 10,
        heartbeatTicks: 1,
        snapshotInterval: 20,
        logSegmentBytes: 16_384,
        dataKey: new Uint8Array(32),
      },
      owner,
      {
        clock,
        random: this.prng.split(kind),
        disk,
        transport: () => links.transport(1),
        logger: silentLogger,
      },
    );
  }

  async leader(owner: Owner): Promise<Consensus> {
    const consensus = await this.start('bootstrap', owner);
    await this.clock.until(() => consensus.status.isLeader, 1000);
    return consensus;
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('consensus', () => {
  it('has given an entry to apply before it resolves its proposal', async () => {
    const owner = new Owner();
    const consensus = await new Machine().leader(owner);
    const index = await consensus.propose(bytes('x'));
    expect(owner.texts).toEqual(['x']);
    expect(owner.indexes.at(-1)).toBe(index);
    expect(consensus.status.appliedIndex).toBe(index);
    await consensus.barrier();
    await consensus.close();
  });

  it('keeps the order of proposals, and restores from snapshot and log', async () => {
    const machine = new Machine();
    const owner = new Owner();
    const consensus = await machine.leader(owner);
    const texts = Array.from({ length: 75 }, (_, i) => `${i}`);
    for (let i = 0; i < 75; i += 5) {
      await Promise.all(texts.slice(i, i + 5).map((text) => consensus.propose(bytes(text))));
    }
    await consensus.close();
    const again = new Owner();
    const restarted = await machine.start('restart', again);
    expect(again.texts.length).toBeGreaterThan(0);
    await machine.clock.until(() => again.texts.length === 75, 5000);
    expect(again.texts).toEqual(texts);
    await restarted.close();
  });

  it('ends when the store breaks, and takes nothing more', async () => {
    const owner = new Owner();
    const consensus = await new Machine().leader(owner);
    owner.broken = true;
    await expect(consensus.propose(bytes('x'))).rejects.toThrow('the store is broken');
    expect(owner.failure?.message).toBe('the store is broken');
    await expect(consensus.propose(bytes('y'))).rejects.toThrow('the store is broken');
  });

  it('rejects what is open when it closes, and what comes later', async () => {
    const consensus = await new Machine().leader(new Owner());
    await consensus.close();
    await expect(consensus.propose(bytes('x'))).rejects.toMatchObject({ code: 'unavailable' });
    await expect(consensus.barrier()).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('does not start on nothing', async () => {
    const start = new Machine().start('restart', new Owner());
    await expect(start).rejects.toMatchObject({ code: 'notFound' });
  });
});
