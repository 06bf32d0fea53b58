// Bundles scripts from source, as the build does: a thread or a bare process cannot load TypeScript.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Raft's worker thread; the script's path, in a directory of its own that the caller removes. */
export async function bundleRaftThread(): Promise<string> {
  const outfile = join(await mkdtemp(join(tmpdir(), 'tsswarm-thread-')), 'raft-thread.cjs');
  await bundleScript(
    new URL('../../src/manager/raft/thread/raft-thread.ts', import.meta.url),
    outfile,
  );
  return outfile;
}

/** One script with all that it imports. */
export async function bundleScript(entry: URL, outfile: string): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(entry)],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    conditions: ['source'],
    logLevel: 'error',
  });
}
