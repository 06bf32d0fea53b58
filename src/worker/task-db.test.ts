import { SimDisk, VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { SwarmError, silentLogger, type Disk } from '../base/index.ts';
import { emptyTables } from './assignment-set.ts';
import { TaskDb, type AgentState } from './task-db.ts';

const state = (index: number): AgentState => ({
  tables: emptyTables(),
  statuses: new Map(),
  epoch: 1,
  index,
});

/** A disk that can be full. */
function aDisk(): { readonly disk: Disk; full: boolean } {
  const real = new SimDisk();
  const world = { disk: real as Disk, full: false };
  world.disk = {
    readFile: (path) => real.readFile(path),
    writeFileAtomic: (path, content) =>
      world.full
        ? Promise.reject(new SwarmError('exhausted', 'no space left on device'))
        : real.writeFileAtomic(path, content),
    remove: (path) => real.remove(path),
    rename: (from, to) => real.rename(from, to),
    list: (path) => real.list(path),
    makeDirectory: (path) => real.makeDirectory(path),
    syncDirectory: (path) => real.syncDirectory(path),
    open: (path, options) => real.open(path, options),
  };
  return world;
}

describe('TaskDb', () => {
  it('stores what it has once a full disk has room again, although nothing changes', async () => {
    const clock = new VirtualClock();
    const world = aDisk();
    await world.disk.makeDirectory('/node');
    const db = new TaskDb(world.disk, '/node/assignments.json', clock, silentLogger);
    world.full = true;
    db.save(state(7));
    await clock.advance(10_000);
    expect(await db.load()).toBeUndefined();
    world.full = false;
    await clock.advance(2_000);
    expect((await db.load())?.index).toBe(7);
  });

  it('does not keep a daemon from ending', async () => {
    const world = aDisk();
    const db = new TaskDb(world.disk, '/node/assignments.json', new VirtualClock(), silentLogger);
    world.full = true;
    db.save(state(7));
    await db.flushed();
    expect(await db.load()).toBeUndefined();
  });
});
