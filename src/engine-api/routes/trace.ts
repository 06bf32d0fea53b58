// /tsswarm/v1/networks/trace: where the way from one task or service to another breaks.
import { SwarmError } from '../../base/index.ts';
import { ok, type Reply, type Request, type Route } from '../http/index.ts';
import { manager } from '../requests/index.ts';

export const traceRoutes: readonly Route[] = [
  {
    method: 'GET',
    pattern: '/tsswarm/v1/networks/trace',
    permission: 'trace.read',
    handler: trace,
  },
];

const PORT_MAX = 65_535;

async function trace(request: Request): Promise<Reply> {
  const { manager: backend } = manager(request);
  const { query } = request;
  const [from, to] = ['from', 'to'].map((name) => query.get(name) ?? '');
  if (!from || !to) {
    throw new SwarmError('invalid', 'from and to are required: names of services or tasks');
  }
  return ok(await backend.trace({ from, to, port: portOf(query.get('port')) }));
}

function portOf(text: string | null): number | undefined {
  if (text === null || text === '') return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port <= PORT_MAX) return port;
  throw new SwarmError('invalid', `invalid port '${text}': 1 to ${PORT_MAX}`);
}
