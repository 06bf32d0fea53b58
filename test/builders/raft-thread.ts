// Bundles raft's worker thread from source, as the build does: a thread cannot load TypeScript.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Path of the script, in a directory of its own that the caller removes. */
export async function bundleRaftThread(): Promise<string> {
  const outfile = join(await mkdtemp(join(tmpdir(), 'tsswarm-thread-')), 'raft-thread.cjs');
  await build({
    entryPoints: [new URL('../../src/manager/raft/raft-thread.ts', import.meta.url).pathname],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    conditions: ['source'],
    logLevel: 'error',
  });
  return outfile;
}
