// Runs small programs of the host (mount, cp, du) and waits for them.
import { spawn } from 'node:child_process';
import { SwarmError } from '../../base/index.ts';

const MAX_OUTPUT_BYTES = 64 * 1024;

/**
 * The program's output; throws `internal` with what it said on stderr when it fails. It is killed when
 * the signal aborts.
 */
export function runProgram(
  command: string,
  args: readonly string[],
  cwd = '/',
  signal?: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const kill = (): void => void child.kill('SIGKILL');
    signal?.addEventListener('abort', kill);
    const output = { stdout: '', stderr: '' };
    const keep = (name: 'stdout' | 'stderr') => (chunk: Buffer) => {
      if (output[name].length < MAX_OUTPUT_BYTES) output[name] += chunk.toString('utf8');
    };
    child.stdout.on('data', keep('stdout'));
    child.stderr.on('data', keep('stderr'));
    child.once('error', (error) =>
      reject(new SwarmError('internal', `cannot run ${command}: ${error.message}`)),
    );
    child.once('close', (code, ended) => {
      signal?.removeEventListener('abort', kill);
      if (code === 0) resolve(output.stdout);
      else {
        const reason = output.stderr.trim() || `exit ${code ?? ended}`;
        reject(new SwarmError('internal', `${command} ${args.join(' ')}: ${reason}`));
      }
    });
  });
}
