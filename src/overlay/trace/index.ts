// A host's part of `network trace`.
export { traceTask, type TraceInsight } from './trace.ts';
