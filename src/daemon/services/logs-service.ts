// Logs of tasks, from the node that has them.
import { count, decoder, list, record, text, unknown } from '../../base/index.ts';
import type { RpcClient } from '../../platform/index.ts';
import { LOG_QUERY, type LogBatch, type LogQuery } from './log-query.ts';
import type { NodeClients, NodeTarget } from './node-clients.ts';
import type { NodeService } from './node-service.ts';

const READ = '/tsswarm.v1.Logs/Read';

const decodeLogQuery = decoder(LOG_QUERY, 'log query');

/** Lines of one message of another node. */
const LOG_LINES_MAX = 10_000;
const decodeLogBatch = decoder(
  record({
    lines: list(record({ stream: count(2), time: text(64), text: unknown() }), LOG_LINES_MAX),
  }),
  'log lines',
);

export const logsService: NodeService = {
  proto: 'logs.proto',
  access: { [READ]: 'manager' },

  serve(server, node) {
    server.stream<LogQuery, LogBatch>(READ, async (query, _caller, emit, signal) => {
      const decoded = decodeLogQuery({ ...query });
      for await (const batch of node.readLogs(decoded, signal)) await emit(batch);
    });
  },
};

/** Logs of a task on another node. */
export async function* readRemoteLogs(
  clients: NodeClients,
  node: NodeTarget,
  query: LogQuery,
  signal: AbortSignal,
): AsyncIterable<LogBatch> {
  const ask = (client: RpcClient): AsyncIterable<object> =>
    client.stream<object>(READ, query, signal);
  for await (const batch of clients.stream(node, ask)) {
    const { lines } = decodeLogBatch(batch);
    yield {
      lines: lines.map(({ text: bytes, ...line }) => ({
        ...line,
        text: bytes instanceof Uint8Array ? bytes : new Uint8Array(),
      })),
    };
  }
}
