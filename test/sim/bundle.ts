// Bundles one size of the simulation into a program of its own, with a mutant in it if one is wanted:
// only there can the code under test be another than what is written in its files.
import { build, type Plugin } from 'esbuild';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { mutate, type Mutant } from './mutants/mutant.ts';
import { SIZES, type Size } from './sizes.ts';

/** The repository's root. */
export const ROOT = resolve(import.meta.dirname, '../..');

/** A program that runs seeds; see `seed-process.ts` for how it is talked to. */
export interface SimulationBundle {
  readonly script: string;
  remove(): Promise<void>;
}

/** Bundles a size. Rejects when the mutant does not fit its file or the file is not part of the size. */
export async function bundleSimulation(size: Size, mutant?: Mutant): Promise<SimulationBundle> {
  // Below node_modules, where the bundle finds the packages that stay outside of it.
  const cache = join(ROOT, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(join(cache, 'tsswarm-sim-'));
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  const script = join(directory, 'simulation.mjs');
  const { module, run } = SIZES[size];
  let applied = mutant === undefined;
  try {
    await build({
      stdin: {
        contents:
          `import { ${run} } from './${module}';\n` +
          `import { serveSeeds } from './test/sim/seed-process.ts';\nserveSeeds(${run});\n`,
        resolveDir: ROOT,
        loader: 'ts',
      },
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      conditions: ['source'],
      sourcemap: 'inline',
      logLevel: 'silent',
      outfile: script,
      plugins: [
        packagesOutside,
        ...(mutant === undefined ? [] : [patch(mutant, () => (applied = true))]),
      ],
    });
    if (!applied) {
      throw new Error(`mutant ${mutant?.name}: ${mutant?.file} is not part of size ${size}`);
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { script, remove };
}

/** Packages stay outside, but raft-ts and sim are ours. */
const packagesOutside: Plugin = {
  name: 'packages-outside',
  setup(building) {
    building.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === 'entry-point' || path === 'raft-ts' || path === 'sim'
        ? undefined
        : { path, external: true },
    );
  },
};

function patch(mutant: Mutant, applied: () => void): Plugin {
  return {
    name: 'mutant',
    setup(building) {
      building.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (relative(ROOT, path) !== mutant.file) return undefined;
        applied();
        return { contents: mutate(await readFile(path, 'utf8'), mutant), loader: 'ts' };
      });
    },
  };
}
