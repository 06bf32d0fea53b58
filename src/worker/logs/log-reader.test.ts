import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../base/index.ts';
import { parseLine, readTaskLogs, type LogOptions } from './log-reader.ts';

let directory: string;
let path: string;
let finished: boolean;

// Time passes with each wait; real file calls happen in between.
const clock: Clock = {
  now: () => 0,
  monotonicMs: () => time,
  after(delay, fire) {
    time += delay;
    setImmediate(fire);
    return { cancel: () => undefined };
  },
};
let time = 0;

beforeEach(() => {
  directory = mkdtempSync('/tmp/tsswarm-log-');
  path = join(directory, 'json.log');
  finished = true;
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const record = (second: number, text: string, stream = 'stdout'): string => {
  const at = `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000000Z`;
  return `${JSON.stringify({ log: `${text}\n`, stream, time: at })}\n`;
};
const instant = (second: number): number => 1_767_225_600_000 + second * 1000;

function open(options: LogOptions = {}) {
  return readTaskLogs(path, options, { clock, isFinished: async () => finished });
}

async function texts(options: LogOptions = {}): Promise<string[]> {
  const result: string[] = [];
  for await (const { line } of open(options)) result.push(line);
  return result;
}

describe('the log of a task', () => {
  it('is read from the oldest file to the newest', async () => {
    writeFileSync(`${path}.2`, record(1, 'a'));
    writeFileSync(`${path}.1`, record(2, 'b'));
    writeFileSync(path, record(3, 'c') + record(4, 'd', 'stderr'));
    expect(await texts()).toEqual(['a', 'b', 'c', 'd']);
    expect(await texts({ tail: 2 })).toEqual(['c', 'd']);
    expect(await texts({ tail: 3 })).toEqual(['b', 'c', 'd']);
    expect(await texts({ tail: 0 })).toEqual([]);
    expect(await texts({ stdout: false })).toEqual(['d']);
    expect(await texts({ stderr: false, tail: 1 })).toEqual(['c']);
    expect(await texts({ since: instant(2), until: instant(3) })).toEqual(['b', 'c']);
  });

  it('may be missing, and may hold what is no record', async () => {
    expect(await texts()).toEqual([]);
    writeFileSync(path, `rubbish\n${record(1, 'a')}{"log":`);
    expect(await texts()).toEqual(['a']);
  });

  it('is followed across rotations until the container is finished', async () => {
    finished = false;
    writeFileSync(path, record(1, 'a'));
    const lines = open({ follow: true, tail: 1 });
    const next = async (): Promise<string | undefined> => {
      const result = await lines.next();
      return result.done === true ? undefined : result.value.line;
    };
    expect(await next()).toBe('a');
    appendFileSync(path, record(2, 'b').slice(0, 10));
    setImmediate(() => appendFileSync(path, record(2, 'b').slice(10)));
    expect(await next()).toBe('b');
    // Two rotations before it looks again.
    appendFileSync(path, record(3, 'c'));
    renameSync(path, `${path}.1`);
    writeFileSync(path, record(4, 'd'));
    renameSync(`${path}.1`, `${path}.2`);
    renameSync(path, `${path}.1`);
    writeFileSync(path, record(5, 'e'));
    expect([await next(), await next(), await next()]).toEqual(['c', 'd', 'e']);
    finished = true;
    expect(await next()).toBeUndefined();
  });

  it('is followed from its first line when it does not exist yet', async () => {
    finished = false;
    const lines = open({ follow: true });
    const first = lines.next();
    setImmediate(() => writeFileSync(path, record(1, 'a') + record(2, 'b')));
    expect((await first).value).toMatchObject({ line: 'a' });
    expect((await lines.next()).value).toMatchObject({ line: 'b' });
    appendFileSync(path, record(3, 'c'));
    expect((await lines.next()).value).toMatchObject({ line: 'c' });
    finished = true;
    expect((await lines.next()).done).toBe(true);
  });

  it('ends when the reader gives up', async () => {
    finished = false;
    const stop = new AbortController();
    const lines = open({ follow: true, signal: stop.signal });
    const end = lines.next();
    stop.abort();
    expect((await end).done).toBe(true);
  });

  it('tells pieces of long lines', () => {
    const piece = JSON.stringify({ log: 'part', stream: 'stderr', time: 't' });
    expect(parseLine(piece)).toEqual({ stream: 'stderr', time: 't', line: 'part', partial: true });
    expect(parseLine('{}')).toBeUndefined();
  });
});
