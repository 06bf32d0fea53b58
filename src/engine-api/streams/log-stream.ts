// What all streams of output share, of services, tasks and containers: the query, the framing, and
// waiting for clients that read slowly.
import type { Writable } from 'node:stream';
import { SwarmError, messageOf } from '../../base/index.ts';
import type { LogLine, LogQuery } from '../backend/index.ts';
import { MULTIPLEXED, RAW, frame, type Request } from '../http/index.ts';
import { flag } from '../requests/index.ts';

/** Since API 1.42 the type says whether frames are used. */
const VERSION_WITH_TYPES = 1042;

export function streamType(request: Request, tty: boolean): string {
  return request.version >= VERSION_WITH_TYPES && !tty ? MULTIPLEXED : RAW;
}

export interface OutputOptions {
  /** A terminal has one stream and no frames. */
  readonly tty: boolean;
  readonly timestamps: boolean;
  readonly details: boolean;
}

export function outputOptions(request: Request, tty: boolean): OutputOptions {
  return { tty, timestamps: flag(request, 'timestamps'), details: flag(request, 'details') };
}

export class LogOutput {
  readonly #sink: Writable;
  readonly #options: OutputOptions;
  #draining: Promise<void> | undefined;

  constructor(sink: Writable, options: OutputOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  /** Waits when the client is slow, so that nothing piles up here. */
  async write(line: LogLine, details = ''): Promise<void> {
    const time = this.#options.timestamps ? `${line.time} ` : '';
    const prefix = new TextEncoder().encode(time + (this.#options.details ? `${details} ` : ''));
    const payload = new Uint8Array(prefix.length + line.text.length);
    payload.set(prefix);
    payload.set(line.text, prefix.length);
    const goesOn = this.#sink.write(this.#options.tty ? payload : frame(line.stream, payload));
    if (!goesOn && !this.#sink.destroyed) await (this.#draining ??= this.#drained());
  }

  /** An error of the server; a terminal has it among its lines. */
  problem(message: string): void {
    const text = new TextEncoder().encode(`${message}\n`);
    this.#sink.write(this.#options.tty ? text : frame(3, text));
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#sink.off('drain', done);
        this.#sink.off('close', done);
        this.#draining = undefined;
        resolve();
      };
      this.#sink.on('drain', done);
      this.#sink.on('close', done);
    });
  }
}

/** Writes all lines; a failure on the way is told inside the stream. */
export async function pump(
  lines: AsyncIterable<LogLine>,
  output: LogOutput,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const line of lines) {
      if (signal.aborted) return;
      await output.write(line);
    }
  } catch (error) {
    if (!signal.aborted) output.problem(messageOf(error));
  }
}

export function parseLogQuery(request: Request): LogQuery {
  const stdout = flag(request, 'stdout');
  const stderr = flag(request, 'stderr');
  if (!stdout && !stderr) {
    throw new SwarmError('invalid', 'Bad parameters: you must choose at least one stream');
  }
  const tail = request.query.get('tail') ?? 'all';
  return {
    follow: flag(request, 'follow'),
    stdout,
    stderr,
    tail: /^\d+$/.test(tail) ? Math.min(Number(tail), Number.MAX_SAFE_INTEGER) : -1,
    since: timeOf(request, 'since'),
    until: timeOf(request, 'until'),
  };
}

/** The end of time in this runtime. */
const TIME_MAX_MS = 8.64e15;

function timeOf(request: Request, name: string): number {
  const text = request.query.get(name) ?? '';
  return text === '' ? 0 : parseTime(name, text);
}

/** Milliseconds since 1970 of Unix seconds with a fraction, or of RFC 3339. Raises `invalid`. */
export function parseTime(name: string, text: string): number {
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Math.abs(ms) <= TIME_MAX_MS) return ms;
  throw new SwarmError('invalid', `invalid value for "${name}": ${text}`);
}
