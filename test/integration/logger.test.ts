// The C logger alone: what it writes for what comes through its pipes, rotation, a full disk, and
// that it does not end before its pipes do.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { root } from '../builders/executor.ts';

let build: string;
let directory: string;
let file: string;
let logger: ChildProcess | undefined;

beforeAll(() => {
  // Built here and not taken from build/, so that the tests are of this source.
  build = mkdtempSync('/tmp/tsswarm-logger-');
  execFileSync(join(root, 'native/logger/build.sh'), [build]);
  return () => rmSync(build, { recursive: true, force: true });
});

beforeEach(() => {
  directory = mkdtempSync('/tmp/tsswarm-logger-');
  file = join(directory, 'json.log');
});

afterEach(() => {
  logger?.kill('SIGKILL');
  logger = undefined;
  rmSync(directory, { recursive: true, force: true });
});

interface Running {
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Resolves when the logger says that it is ready. */
  readonly ready: Promise<void>;
  /** Closes both pipes and waits for the end; the exit code. */
  end(): Promise<number | null>;
}

function start(args: Record<string, string> = {}): Running {
  const flat = Object.entries({ file, ...args }).flat();
  const stdio = ['ignore', 'inherit', 'inherit', 'pipe', 'pipe', 'pipe'] as const;
  const child = spawn(join(build, 'tsswarm-logger'), flat, { stdio: [...stdio] });
  logger = child;
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [stdout, stderr] = [child.stdio[3] as Writable, child.stdio[4] as Writable];
  const readyPipe = child.stdio.at(5) as unknown as Readable;
  readyPipe.resume();
  return {
    stdout,
    stderr,
    ready: new Promise((resolve) => readyPipe.once('end', () => resolve())),
    end() {
      stdout.end();
      stderr.end();
      return ended;
    },
  };
}

interface LogRecord {
  readonly log: string;
  readonly stream: string;
  readonly time: string;
}

function records(path = file): LogRecord[] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as LogRecord);
}

describe('the logger', () => {
  it('writes one JSON record a line, with stream and time', async () => {
    const running = start();
    await running.ready;
    running.stdout.write('one\ntw');
    await expect.poll(() => records().length).toBe(1);
    running.stdout.write('o\n');
    running.stderr.write('bad\n');
    expect(await running.end()).toBe(0);
    const all = records();
    const of = (stream: string) =>
      all.filter((each) => each.stream === stream).map(({ log }) => log);
    expect(of('stdout')).toEqual(['one\n', 'two\n']);
    expect(of('stderr')).toEqual(['bad\n']);
    for (const { time } of all) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  });

  it('keeps any bytes valid JSON', async () => {
    const running = start();
    const valid = 'quote " back \\ tab \t cr \r nul \0 del \x7f ü € 😀\n';
    running.stdout.write(valid);
    running.stdout.write(
      Buffer.from([0x61, 0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80, 0xf5, 0xe2, 0x82, 0x0a]),
    );
    running.stdout.write('\n');
    await running.end();
    const [first, second, third] = records();
    expect(first?.log).toBe(valid);
    expect(second?.log).toMatch(/^a\ufffd+\n$/);
    expect(third?.log).toBe('\n');
  });

  it('splits long lines at 16 KiB, never inside a character', async () => {
    const running = start();
    const line = 'é'.repeat(20_000);
    running.stdout.write(`x${line}\n`);
    running.stdout.write('z'.repeat(16 * 1024) + '\nlast without end');
    await running.end();
    const logs = records().map(({ log }) => log);
    expect(logs.join('')).toBe(`x${line}\n${'z'.repeat(16 * 1024)}\nlast without end\n`);
    expect(Math.max(...logs.map((log) => Buffer.byteLength(log)))).toBeLessThanOrEqual(
      16 * 1024 + 1,
    );
    expect(logs[0]?.endsWith('\n')).toBe(false);
    expect(logs.join('')).not.toContain('\ufffd');
  });

  it('rotates by size, keeps so many files and loses no kept line', async () => {
    const running = start({ 'max-size': '2000', 'max-file': '3' });
    for (let i = 0; i < 200; i++) running.stdout.write(`line ${i}\n`);
    await running.end();
    expect(readdirSync(directory).toSorted()).toEqual(['json.log', 'json.log.1', 'json.log.2']);
    const kept = [`${file}.2`, `${file}.1`, file].flatMap((each) => records(each));
    for (const name of readdirSync(directory)) {
      expect(statSync(join(directory, name)).size).toBeLessThanOrEqual(2000);
    }
    const numbers = kept.map(({ log }) => Number(log.slice(5)));
    expect(numbers.at(-1)).toBe(199);
    numbers.forEach((number, i) => expect(number).toBe((numbers[0] ?? 0) + i));
  });

  it('starts over in place with a single file', async () => {
    const running = start({ 'max-size': '1000', 'max-file': '1' });
    for (let i = 0; i < 100; i++) running.stdout.write(`line ${i}\n`);
    await running.end();
    expect(readdirSync(directory)).toEqual(['json.log']);
    expect(statSync(file).size).toBeLessThanOrEqual(1000);
    expect(records().at(-1)?.log).toBe('line 99\n');
  });

  it('drops and counts on a full disk, and says so afterwards', async () => {
    const small = join(directory, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tsswarm-test', small]);
    try {
      file = join(small, 'json.log');
      writeFileSync(join(small, 'ballast'), Buffer.alloc(48 * 1024));
      const running = start();
      for (let i = 0; i < 1000; i++) running.stdout.write(`line ${i}\n`);
      await expect.poll(() => running.stdout.writableLength).toBe(0);
      rmSync(join(small, 'ballast'));
      await expect
        .poll(() => {
          running.stdout.write('again\n');
          return records().some(({ log }) => log === 'again\n');
        })
        .toBe(true);
      await running.end();
      const all = records().map(({ log }) => log);
      const pattern = /^tsswarm-logger: (\d+) lines were dropped: No space left on device\n$/;
      // A note may still have fitted before the disk was full again.
      const dropped = all.reduce((sum, log) => sum + Number(pattern.exec(log)?.[1] ?? 0), 0);
      expect(dropped).toBeGreaterThan(0);
      const numbered = all.filter((log) => log.startsWith('line ')).length;
      expect(numbered + dropped).toBeGreaterThanOrEqual(1000);
    } finally {
      logger?.kill('SIGKILL');
      execFileSync('umount', ['-l', small]);
    }
  });

  it('ignores signals while its pipes are open', async () => {
    const running = start();
    await running.ready;
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) logger?.kill(signal);
    running.stdout.write('still here\n');
    await expect.poll(() => records().map(({ log }) => log)).toEqual(['still here\n']);
    expect(logger?.exitCode).toBeNull();
    expect(await running.end()).toBe(0);
  });

  it('captures only the beginning in mode capture, and swallows the rest', async () => {
    const running = start({ mode: 'capture', limit: '10' });
    running.stdout.write('0123456');
    await expect.poll(() => readFileSync(file, 'utf8')).toBe('0123456');
    running.stderr.write(Buffer.alloc(1_000_000, 'x'));
    expect(await running.end()).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe('0123456xxx');
  });

  it('refuses to run without a file', () => {
    expect(() => execFileSync(join(build, 'tsswarm-logger'), [], { stdio: 'pipe' })).toThrow(
      '"file"',
    );
  });
});
