// Log lines of a task on this node, in batches for the wire.
import type { ContainerdExecutor } from '../../worker/tasks/index.ts';
import type { LogBatch, LogQuery } from './log-query.ts';

/** Lines in one message, and how many bytes end it earlier. */
const LINES_PER_BATCH = 256;
const BATCH_BYTES = 256 * 1024;

export async function* readTaskLogBatches(
  executor: ContainerdExecutor,
  query: LogQuery,
  signal: AbortSignal,
): AsyncIterable<LogBatch> {
  const encoder = new TextEncoder();
  let lines: { stream: number; time: string; text: Uint8Array }[] = [];
  let bytes = 0;
  const source = executor.logs(query.taskId, {
    stdout: query.stdout,
    stderr: query.stderr,
    follow: query.follow,
    signal,
    ...(query.tail < 0 ? {} : { tail: query.tail }),
    ...(query.since > 0 ? { since: query.since } : {}),
    ...(query.until > 0 ? { until: query.until } : {}),
  });
  for await (const { stream, time, line, partial } of source) {
    const text = encoder.encode(partial ? line : `${line}\n`);
    lines.push({ stream: stream === 'stdout' ? 1 : 2, time, text });
    bytes += text.length;
    // Someone who follows wants each line at once; a long history goes in large parts.
    if (query.follow || lines.length >= LINES_PER_BATCH || bytes >= BATCH_BYTES) {
      yield { lines };
      lines = [];
      bytes = 0;
    }
  }
  if (lines.length > 0) yield { lines };
}
