// Containers' logs, read from their files.
export { type LogLine, type LogOptions, readTaskLogs } from './log-reader.ts';
