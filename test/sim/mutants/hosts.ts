// Faults in what a manager keeps on disk and in how it tells others of it; found by size `hosts`.
import type { Mutant } from './mutant.ts';

/** See `Mutant`. */
export const hostsMutants: readonly Mutant[] = [
  {
    name: 'skip-fsync',
    size: 'hosts',
    file: 'src/manager/raft/log/wal.ts',
    find: 'await segment.file.sync();',
    replace: '',
    why: 'A loss of power takes votes and entries that others were told of.',
    checker: 'promises are stored',
  },
  {
    name: 'acknowledge-before-fsync',
    size: 'hosts',
    file: 'src/manager/raft/log/log-writer.ts',
    find: `      await this.#write(batch, this.#queue.length === 0 && this.#waiting.length > 0);
      this.#tellStored();
      for (const work of batch) this.#ports.stored(work);
      const [first] = batch;
      if (first?.snapshot !== undefined) await this.#ports.restore(first);
      for (const work of batch) this.#ports.respond(work.responses);
`,
    replace: `      const written = this.#write(batch, this.#queue.length === 0);
      void written.then(() => this.#tellStored());
      for (const work of batch) this.#ports.stored(work);
      const [first] = batch;
      if (first?.snapshot === undefined) {
        for (const work of batch) this.#ports.respond(work.responses);
        await written;
      } else {
        await written;
        await this.#ports.restore(first);
        for (const work of batch) this.#ports.respond(work.responses);
      }
`,
    why: 'Others count on an entry while it is still on its way to the disk.',
    checker: 'promises are stored',
  },
  {
    name: 'go-on-after-failed-sync',
    size: 'hosts',
    file: 'src/manager/raft/log/wal.ts',
    find: `      this.#broken = error;
      throw error;`,
    replace: '',
    why: 'The log goes on behind a record that never reached the disk.',
  },
  {
    name: 'trust-the-page-cache',
    size: 'hosts',
    file: 'src/manager/raft/log/wal-recovery.ts',
    find: 'if (newest !== undefined) await makeDurable(options, newest.path);',
    replace: 'void makeDurable; void newest;',
    why: 'A restart builds on records that were written and never synced.',
  },
  {
    name: 'vote-not-stored',
    size: 'hosts',
    file: 'src/manager/raft/log/log-writer.ts',
    find: 'if (entries.length === 0 && !voted && snapshot',
    replace: 'if (entries.length === 0 && snapshot',
    why: 'A member that crashes after its vote may vote again in the same term.',
    checker: 'promises are stored',
  },
  {
    name: 'own-vote-after-the-others',
    size: 'hosts',
    file: 'src/manager/raft/host/raft-host.ts',
    find: 'ownVoteFirst(ready.messages)',
    replace: 'ready.messages',
    why: 'A candidate may win one term twice.',
    checker: 'promises are stored',
  },
  {
    name: 'torn-write-takes-a-good-record',
    size: 'hosts',
    file: 'src/manager/raft/log/wal-recovery.ts',
    find: 'await cutOff(options, path, position);',
    replace: 'await cutOff(options, path, Math.max(FILE_HEADER_BYTES, position - 64));',
    why: 'Cutting off a torn record cuts into the good one before it.',
  },
  {
    name: 'damage-taken-for-a-torn-write',
    size: 'hosts',
    file: 'src/manager/raft/log/record.ts',
    find: 'if (later === undefined && isTorn(bytes, position, record)) return',
    replace: 'void later; void isTorn; if (bytes.length > 0) return',
    why: 'A flipped bit silently drops everything behind it.',
  },
  {
    name: 'crc-not-checked',
    size: 'hosts',
    file: 'src/manager/raft/log/record.ts',
    find: 'if (body.length < header.length || crc32(body) !== header.crc) {',
    replace: 'if (body.length < header.length) {',
    why: 'A torn record is taken for a whole one.',
  },
  {
    name: 'snapshot-renamed-before-its-sync',
    size: 'hosts',
    file: 'src/manager/raft/log/snapshot-file.ts',
    find: '      await file.sync();\n',
    replace: '',
    why: 'A loss of power leaves a snapshot under its name that is not whole.',
  },
  {
    name: 'snapshot-name-not-synced',
    size: 'hosts',
    file: 'src/manager/raft/log/snapshot-file.ts',
    find: `    await disk.rename(draft.path, this.#path(draft.index));
    await disk.syncDirectory(directory);`,
    replace: '    await disk.rename(draft.path, this.#path(draft.index));',
    why: 'The log behind a snapshot is dropped before the snapshot has its name for good.',
  },
  {
    name: 'log-dropped-before-the-snapshot',
    size: 'hosts',
    file: 'src/manager/raft/host/host-snapshots.ts',
    find: 'const draft = await snapshots.write(head, chunks);',
    replace: 'await wal.dropUpTo(head.index); const draft = await snapshots.write(head, chunks);',
    why: 'A crash between the two leaves neither.',
  },
  {
    name: 'snapshot-of-a-later-state',
    size: 'hosts',
    file: 'src/manager/raft/thread/chunk-streams.ts',
    find: 'if (!options.early) return;',
    replace: 'if (options.early || !options.early) return;',
    why: 'A snapshot holds entries beyond its index: after a restart they are applied twice.',
  },
  {
    name: 'stale-read-at-a-deposed-leader',
    size: 'hosts',
    file: 'src/manager/raft/host/raft-host.ts',
    find: 'const confirmed = this.#barriers.wait();',
    replace: 'const confirmed = this.#isLeader ? Promise.resolve() : this.#barriers.wait();',
    why: 'A leader that was cut off answers reads without asking anybody.',
    checker: 'linearizable',
  },
  {
    name: 'newcomer-without-an-address',
    size: 'hosts',
    file: 'src/manager/raft/host/host-members.ts',
    find: 'this.#met.set(peer.raftId, peer);',
    replace: '',
    why: 'A member that was away cannot answer a leader that joined since.',
    checker: 'liveness',
  },
  {
    name: 'commit-told-after-the-restore',
    size: 'hosts',
    file: 'src/manager/raft/log/log-writer.ts',
    find: `      this.#tellStored();
      for (const work of batch) this.#ports.stored(work);
      const [first] = batch;
      if (first?.snapshot !== undefined) await this.#ports.restore(first);
`,
    replace: `      for (const work of batch) this.#ports.stored(work);
      const [first] = batch;
      if (first?.snapshot !== undefined) await this.#ports.restore(first);
      this.#tellStored();
`,
    why: 'Writer, restore and applier wait for each other in a ring: the member is still for ever.',
    checker: 'liveness',
  },
];
