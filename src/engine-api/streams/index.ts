// Replies that go on: logs, attached output, progress.
export {
  LogOutput,
  outputOptions,
  parseLogQuery,
  parseTime,
  pump,
  streamType,
} from './log-stream.ts';
export { bodyOf, streamed } from './progress-lines.ts';
export { TaskLogReader } from './task-log-reader.ts';
