// Three kinds of tests: `unit` needs nothing, `integration` needs root and one real thing at a
// time (containerd, the kernel), `e2e` runs whole clusters in the lab.
import { defineConfig } from 'vitest/config';

const resolve = { conditions: ['source'] };
const ssr = { resolve: { conditions: ['source'], externalConditions: ['source'] } };

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: 'unit',
          // Work, not waiting: a bound for a machine that has other things to do as well.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          include: [
            'src/**/*.test.ts',
            'raft-ts/**/*.test.ts',
            'sim/**/*.test.ts',
            'test/scenario/**/*.test.ts',
            'test/conformance/**/*.test.ts',
            'test/sim/**/*.test.ts',
            'test/*.test.ts',
          ],
          server: { deps: { inline: ['raft-ts', 'sim'] } },
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          server: { deps: { inline: ['raft-ts', 'sim'] } },
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 240_000,
          server: { deps: { inline: ['raft-ts', 'sim'] } },
        },
      },
    ],
  },
});
