// Groups under faults drawn from seeds (simulation/): nothing that Raft promises may break, and the
// same seed gives the same run. `npm run sim` runs more of them.
import { Trace } from 'sim';
import { describe, expect, it } from 'vitest';
import { runRaftSeed } from './simulation/index.ts';

const SEEDS = Number(process.env['RAFT_SEEDS'] ?? 100);
const FIRST_SEED = Number(process.env['RAFT_FIRST_SEED'] ?? 1);

describe('a group under faults keeps what Raft promises', () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    it(`seed ${seed}`, () => {
      expect(runRaftSeed(seed).events).toBeGreaterThan(50);
    });
  }
});

describe('a run', () => {
  it('is the same for the same seed, line for line', () => {
    const lines: string[][] = [[], []];
    const [first, second] = lines.map((list) =>
      runRaftSeed(7, { trace: new Trace((line) => list.push(line)) }),
    );
    expect(lines[1]).toEqual(lines[0]);
    expect(second).toEqual(first);
  });

  it('is another one for another seed', () => {
    expect(runRaftSeed(7).hash).not.toBe(runRaftSeed(8).hash);
  });
});
