// What a container writes, and its end: logs, attach, wait. `docker run` attaches and waits before it
// starts the container, so both must count from before the headers are out.
import type { ServerResponse } from 'node:http';
import type { Duplex, Writable } from 'node:stream';
import { SwarmError, messageOf } from '../../base/index.ts';
import type { WaitCondition } from '../../model/index.ts';
import type { LogLine } from '../backend/index.ts';
import type { Reply, Request, Route } from '../http/index.ts';
import { flag, refuseParameters } from '../requests/index.ts';
import { LogOutput, outputOptions, parseLogQuery, pump, streamType } from '../streams/index.ts';

export const containerStreamRoutes: readonly Route[] = [
  {
    method: 'GET',
    pattern: '/containers/{id:container}/logs',
    permission: 'container.read',
    handler: logs,
  },
  {
    method: 'POST',
    pattern: '/containers/{id:container}/attach',
    permission: 'container.write',
    handler: attach,
    upgrades: true,
  },
  {
    method: 'POST',
    pattern: '/containers/{id:container}/wait',
    permission: 'container.read',
    handler: wait,
  },
];

const CONDITIONS: readonly WaitCondition[] = ['not-running', 'next-exit', 'removed'];

async function logs(request: Request, response: ServerResponse): Promise<Reply> {
  const { containers } = request.backend;
  const query = parseLogQuery(request);
  const { id, config } = await containers.inspect(request.params['id'] ?? '');
  if (config.logDriver?.Name === 'none') {
    throw new SwarmError(
      'unimplemented',
      'configured logging driver does not support reading: use json-file',
    );
  }
  const tty = config.spec.TTY ?? false;
  const abort = abortOnClose(response);
  const lines = containers.logs(id, query, abort.signal);
  response.writeHead(200, { 'Content-Type': streamType(request, tty) });
  response.flushHeaders();
  await pump(lines, new LogOutput(response, outputOptions(request, tty)), abort.signal);
  response.end();
  return 'handled';
}

async function attach(request: Request, response: ServerResponse): Promise<Reply> {
  refuseParameters(request, { stdin: 'there is no input to attach to' });
  const reference = request.params['id'] ?? '';
  const { id, state, config } = await request.backend.containers.inspect(reference);
  if (state === 'restarting') {
    throw new SwarmError(
      'conflict',
      `container ${reference} is restarting, wait until the container is running`,
    );
  }
  const tty = config.spec.TTY ?? false;
  const abort = abortOnClose(response);
  const lines = attached(request, id, abort.signal);
  const sink = openSink(request, response, streamType(request, tty));
  sink.once('close', () => abort.abort());
  const output = new LogOutput(sink, { tty, timestamps: false, details: false });
  await pump(lines, output, abort.signal);
  sink.end();
  return 'handled';
}

/** Subscribes at once. There is no input to attach to: what the client sends is thrown away. */
function attached(request: Request, id: string, signal: AbortSignal): AsyncIterable<LogLine> {
  const { containers } = request.backend;
  const stdout = flag(request, 'stdout');
  const stderr = flag(request, 'stderr');
  const history = flag(request, 'logs');
  if (!stdout && !stderr) return nothing();
  if (flag(request, 'stream')) {
    return selected(containers.output(id, history, signal), stdout, stderr);
  }
  if (!history) return nothing();
  const query = { follow: false, tail: -1, since: 0, until: 0, stdout, stderr };
  return containers.logs(id, query, signal);
}

async function* nothing(): AsyncIterable<LogLine> {}

async function* selected(
  lines: AsyncIterable<LogLine>,
  stdout: boolean,
  stderr: boolean,
): AsyncIterable<LogLine> {
  for await (const line of lines) if (line.stream === 1 ? stdout : stderr) yield line;
}

/** The bare connection for clients that asked for it, else a response that ends with its connection. */
function openSink(request: Request, response: ServerResponse, type: string): Writable {
  if (request.takeOver !== undefined) {
    const connection: Duplex = request.takeOver();
    connection.write(
      `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
    );
    return connection;
  }
  response.setHeader('Connection', 'close');
  // Without it Node would cut the stream into chunks.
  response.removeHeader('Transfer-Encoding');
  response.writeHead(200, { 'Content-Type': type });
  response.flushHeaders();
  return response;
}

async function wait(request: Request, response: ServerResponse): Promise<Reply> {
  const { containers } = request.backend;
  const reference = request.params['id'] ?? '';
  const condition = conditionOf(request.query.get('condition') ?? '');
  const abort = abortOnClose(response);
  const ended = containers.wait(reference, condition, abort.signal).then(
    ({ exitCode, error }) => ({
      StatusCode: exitCode,
      ...(error === '' ? {} : { Error: { Message: error } }),
    }),
    (error: unknown) => ({ StatusCode: -1, Error: { Message: messageOf(error) } }),
  );
  try {
    await containers.inspect(reference);
  } catch (error) {
    abort.abort();
    throw error;
  }
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.flushHeaders();
  response.end(`${JSON.stringify(await ended)}\n`);
  return 'handled';
}

function conditionOf(text: string): WaitCondition {
  const condition = CONDITIONS.find((one) => one === (text || 'not-running'));
  if (condition !== undefined) return condition;
  throw new SwarmError('invalid', `invalid condition: ${JSON.stringify(text)}`);
}

function abortOnClose(response: ServerResponse): AbortController {
  const abort = new AbortController();
  response.once('close', () => abort.abort());
  return abort;
}
