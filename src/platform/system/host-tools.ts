// The overlay's port of the machine's programs for real: children of the daemon, in its namespace.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { SwarmError, ifPresent } from '../../base/index.ts';
import type { HostTools, ToolResult } from '../../overlay/kernel/index.ts';

/** Longer than any of them takes, locks included; the overlay waits for it. */
const LIMIT_MS = 5_000;
/** Of each stream; more is cut off. */
const MAX_OUTPUT = 4 * 1024 * 1024;
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** `bus` is the address of the system's D-Bus where it is not the usual one. */
export function hostTools(bus?: string): HostTools {
  const env = {
    PATH: SEARCH_PATH,
    LC_ALL: 'C',
    ...(bus === undefined ? {} : { DBUS_SYSTEM_BUS_ADDRESS: bus }),
  };
  return {
    run: (program, args, input) => run(env, program, args, input),
    legacyTables: async (family) => {
      // Of the process: the daemon's main thread never leaves the host's namespace.
      const names = (await ifPresent(readFile(`/proc/net/${family}_tables_names`, 'utf8'))) ?? '';
      return names.split('\n').filter((name) => name !== '');
    },
  };
}

function run(
  env: Readonly<Record<string, string>>,
  program: string,
  args: readonly string[],
  input = '',
): Promise<ToolResult | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...env }, cwd: '/', stdio: 'pipe' });
    let [stdout, stderr] = ['', ''];
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new SwarmError('deadline', `${program} did not end within ${LIMIT_MS / 1000} s`));
    }, LIMIT_MS);
    child.stdout.on('data', (data: Buffer) => {
      if (stdout.length < MAX_OUTPUT) stdout += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      if (stderr.length < MAX_OUTPUT) stderr += data.toString();
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ENOENT') resolve(undefined);
      else reject(new SwarmError('internal', `${program}: ${error.message}`));
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ status: status ?? -1, stdout, stderr });
    });
    // A program that does not read its input closes it.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}
