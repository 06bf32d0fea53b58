// Reads a task's log files, oldest first, and follows them across rotation. The logger writes
// json.log and renames it to json.log.1 and so on; a file is known by its inode, not by its name.
import * as fs from 'node:fs/promises';
import {
  decoder,
  ifPresent,
  optional,
  record,
  sleep,
  text,
  unknown,
  type Clock,
} from '../../base/index.ts';
import type { ContainerLogLine, ContainerLogOptions } from '../runtime/index.ts';
import { formatTime } from '../containerd/index.ts';

export type { ContainerLogLine as LogLine, ContainerLogOptions as LogOptions };

export interface LogSource {
  readonly clock: Clock;
  /** True when the container writes no more. */
  isFinished(): Promise<boolean>;
}

const READ_BYTES = 64 * 1024;
/** A record is at most 16 KiB escaped; a longer line is no record. */
const MAX_LINE_BYTES = 256 * 1024;
/** Lines kept beyond the wanted ones before the oldest are thrown away together. */
const SPARE_LINES = 100;
const POLL_MS = 100;
/** How often following asks whether the container is finished. */
const FINISHED_CHECK_MS = 1_000;
const MAX_FILES = 1000;
/** A rotation while the files are opened would show a newer one behind an older one. */
const LIST_TRIES_MAX = 20;
/** A rotation renames one file after the other: one name is missing for a moment. */
const MAX_HOLES = 1;

/** The lines that `options` ask for; ends at the end of the log unless it follows. */
export async function* readTaskLogs(
  path: string,
  options: ContainerLogOptions,
  source: LogSource,
): AsyncGenerator<ContainerLogLine> {
  const files = await openFiles(path);
  try {
    yield* selected(linesOf(path, files, options, source), options);
  } finally {
    await Promise.all(files.map(({ handle }) => handle.close()));
  }
}

interface LogFile {
  readonly handle: fs.FileHandle;
  readonly inode: number;
  position: number;
  rest: Buffer;
}

async function* linesOf(
  path: string,
  files: LogFile[],
  options: ContainerLogOptions,
  source: LogSource,
): AsyncGenerator<ContainerLogLine> {
  if (options.tail === undefined) {
    for (const file of files) yield* readToEnd(file);
  } else {
    yield* await lastLines(files, options.tail, options);
  }
  if (options.follow !== true) return;
  yield* followed(path, files, options, source);
}

/** All files there are, the oldest first; looks again when a rotation came in between. */
async function openFiles(path: string): Promise<LogFile[]> {
  for (let tries = 1; ; tries++) {
    const before = await inodeOf(path);
    const files = await openOnce(path);
    if (tries === LIST_TRIES_MAX || (await inodeOf(path)) === before) return files;
    await Promise.all(files.map(({ handle }) => handle.close()));
  }
}

async function openOnce(path: string): Promise<LogFile[]> {
  const files: LogFile[] = [];
  for (let i = 0, holes = 0; i < MAX_FILES && holes <= MAX_HOLES; i++) {
    const file = await openFile(nameAt(path, i));
    if (file === undefined) holes++;
    else if (files.some(({ inode }) => inode === file.inode)) await file.handle.close();
    else files.push(file);
  }
  return files.toReversed();
}

async function openFile(path: string): Promise<LogFile | undefined> {
  const handle = await ifPresent(fs.open(path, 'r'));
  if (handle === undefined) return undefined;
  const { ino } = await handle.stat();
  return { handle, inode: ino, position: 0, rest: Buffer.alloc(0) };
}

async function* readToEnd(file: LogFile): AsyncGenerator<ContainerLogLine> {
  for (;;) {
    const buffer = Buffer.alloc(READ_BYTES);
    const { bytesRead } = await file.handle.read(buffer, 0, READ_BYTES, file.position);
    if (bytesRead === 0) return;
    file.position += bytesRead;
    let data = Buffer.concat([file.rest, buffer.subarray(0, bytesRead)]);
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10)) {
      const line = parseLine(data.subarray(0, end).toString('utf8'));
      if (line !== undefined) yield line;
      data = data.subarray(end + 1);
    }
    file.rest = data.length > MAX_LINE_BYTES ? Buffer.alloc(0) : data;
  }
}

/** The last lines that fit the options; leaves each file at its end. */
async function lastLines(
  files: readonly LogFile[],
  count: number,
  options: ContainerLogOptions,
): Promise<ContainerLogLine[]> {
  let kept: ContainerLogLine[] = [];
  // From the newest file back, until there are enough.
  for (const file of files.toReversed()) {
    if (kept.length >= count) {
      file.position = (await file.handle.stat()).size;
      continue;
    }
    const lines: ContainerLogLine[] = [];
    for await (const line of readToEnd(file)) {
      if (!fits(line, options)) continue;
      lines.push(line);
      if (lines.length > count * 2 + SPARE_LINES) lines.splice(0, lines.length - count);
    }
    const all = [...lines, ...kept];
    kept = all.slice(Math.max(0, all.length - count));
  }
  return kept;
}

async function* followed(
  path: string,
  files: LogFile[],
  options: ContainerLogOptions,
  source: LogSource,
): AsyncGenerator<ContainerLogLine> {
  const { clock } = source;
  let nextCheck = clock.monotonicMs() + FINISHED_CHECK_MS;
  let finished = false;
  while (options.signal?.aborted !== true) {
    let read = false;
    const current = files.at(-1);
    if (current !== undefined) {
      for await (const line of readToEnd(current)) {
        read = true;
        yield line;
      }
    }
    const next = await nextFile(path, current);
    if (next !== undefined) {
      // What came in before the rename and after the read above.
      if (current !== undefined) yield* readToEnd(current);
      files.push(next);
      // Only the newest file is read from here on.
      for (const old of files.splice(0, files.length - 1)) await old.handle.close();
      continue;
    }
    // One more round after the end, for what was written in between.
    if (finished && !read) return;
    if (!read && clock.monotonicMs() >= nextCheck) {
      finished = await source.isFinished();
      nextCheck = clock.monotonicMs() + FINISHED_CHECK_MS;
      if (finished) continue;
    }
    if (!read) await sleep(clock, POLL_MS, options.signal);
  }
}

/** The file that was begun after `current`, if there is one (and no rotation is under way). */
async function nextFile(path: string, current: LogFile | undefined): Promise<LogFile | undefined> {
  const newest = await inodeOf(path);
  if (newest === undefined || newest === current?.inode) return undefined;
  if (current === undefined) return openFile(path);
  const place = await placeOf(path, current.inode);
  if (place !== undefined) {
    const next = await openFile(nameAt(path, place - 1));
    // The oldest is renamed first: if ours is still there, what was opened is its follower.
    if ((await inodeOf(nameAt(path, place))) === current.inode) return next;
    await next?.handle.close();
    return undefined;
  }
  // Not to be seen in the middle of a rotation, or gone for good: then no name is left.
  if ((await current.handle.stat()).nlink > 0) return undefined;
  const [oldest, ...others] = await openFiles(path);
  await Promise.all(others.map(({ handle }) => handle.close()));
  return oldest;
}

/** The number in the file's name now. */
async function placeOf(path: string, inode: number): Promise<number | undefined> {
  for (let i = 1, holes = 0; i < MAX_FILES && holes <= MAX_HOLES; i++) {
    const found = await inodeOf(nameAt(path, i));
    if (found === inode) return i;
    if (found === undefined) holes++;
  }
  return undefined;
}

function nameAt(path: string, place: number): string {
  return place === 0 ? path : `${path}.${place}`;
}

async function inodeOf(path: string): Promise<number | undefined> {
  return fs.stat(path).then(
    ({ ino }) => ino,
    () => undefined,
  );
}

async function* selected(
  lines: AsyncIterable<ContainerLogLine>,
  options: ContainerLogOptions,
): AsyncGenerator<ContainerLogLine> {
  const until = options.until === undefined ? undefined : logTime(options.until);
  for await (const line of lines) {
    if (until !== undefined && line.time > until) return;
    if (fits(line, options)) yield line;
  }
}

function fits(line: ContainerLogLine, options: ContainerLogOptions): boolean {
  if (options.stdout === false && line.stream === 'stdout') return false;
  if (options.stderr === false && line.stream === 'stderr') return false;
  if (options.since !== undefined && line.time < logTime(options.since)) return false;
  return options.until === undefined || line.time <= logTime(options.until);
}

const decodeLine = decoder(
  record({ log: text(MAX_LINE_BYTES), stream: optional(unknown()), time: text(64) }),
  'line of a log',
  { length: MAX_LINE_BYTES, depth: 4 },
);

/** One record of the file; undefined for anything else. */
export function parseLine(line: string): ContainerLogLine | undefined {
  try {
    const { log, stream, time } = decodeLine.json(line);
    const whole = log.endsWith('\n');
    return {
      stream: stream === 'stderr' ? 'stderr' : 'stdout',
      time,
      line: whole ? log.slice(0, -1) : log,
      partial: !whole,
    };
  } catch {
    return undefined;
  }
}

/** A time as the logger writes it, so that they compare as text. */
function logTime(ms: number): string {
  return formatTime(ms).replace('Z', '000000Z');
}
