// /tsswarm/v1/cluster: what Docker's API has no words for. Backup and restore of the managers' state.
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { SwarmError } from '../../base/index.ts';
import { ok, type Reply, type Request, type Route } from '../http/index.ts';
import { manager } from '../requests/index.ts';

/** The key of a backup: in a header, since addresses end up in logs. */
const KEY_HEADER = 'x-tsswarm-backup-key';

export const clusterRoutes: readonly Route[] = [
  {
    method: 'GET',
    pattern: '/tsswarm/v1/cluster/backup',
    permission: 'swarm.write',
    handler: backup,
  },
  {
    method: 'POST',
    pattern: '/tsswarm/v1/cluster/restore',
    permission: 'swarm.write',
    handler: restore,
  },
];

async function backup(request: Request, response: ServerResponse): Promise<Reply> {
  manager(request);
  const file = await request.backend.backup(keyOf(request));
  response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
  // A failure on the way breaks the connection off: the reader sees that the file is not whole.
  await pipeline(file, response);
  return 'handled';
}

async function restore(request: Request): Promise<Reply> {
  const { query, raw, backend } = request;
  const text = (name: string): string => query.get(name) ?? '';
  const requested = {
    listenAddr: text('listenAddr'),
    advertiseAddr: text('advertiseAddr'),
    dataPathAddr: text('dataPathAddr'),
    key: keyOf(request),
  };
  return ok({ NodeID: await backend.restore(requested, raw) });
}

function keyOf(request: Request): string {
  const key = request.header(KEY_HEADER) ?? '';
  if (key === '')
    throw new SwarmError('invalid', `the header ${KEY_HEADER} with a key is required`);
  return key;
}
