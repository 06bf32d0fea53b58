// Runs the system tools that the lab is made with.
import { execFile } from 'node:child_process';

const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** Runs a program to its end; raises an error with its stderr when it fails. */
export function run(program: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: OUTPUT_BYTES_MAX }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${[program, ...args].join(' ')}: ${stderr.trim() || error.message}`));
    });
  });
}

/** Runs `ip` inside a network namespace given by its file. */
export function ipIn(namespace: string, ...args: string[]): Promise<string> {
  return run('nsenter', `--net=${namespace}`, 'ip', ...args);
}
