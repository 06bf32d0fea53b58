// What may be asked of a task's log, and the batches that answer.
import { boolean, integer, number, record, type Decoded } from '../../base/index.ts';
import { ID } from '../../model/index.ts';

export const LOG_QUERY = record({
  taskId: ID,
  follow: boolean(),
  tail: integer(),
  since: number(),
  until: number(),
  stdout: boolean(),
  stderr: boolean(),
});
export type LogQuery = Decoded<typeof LOG_QUERY>;

export interface LogBatch {
  readonly lines: readonly {
    readonly stream: number;
    readonly time: string;
    readonly text: Uint8Array;
  }[];
}

export type LogReader = (query: LogQuery, signal: AbortSignal) => AsyncIterable<LogBatch>;
