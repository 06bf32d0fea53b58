// A daemon for tests of the CLI: answers from a table, on a unix socket of its own, and remembers what
// it was asked.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface FakeRequest {
  readonly method: string;
  /** Without the version and the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
}

export interface FakeReply {
  readonly status?: number;
  /** Sent as JSON; bytes as they are. */
  readonly body?: unknown;
}

export interface FakeDaemon {
  /** For ApiClient. */
  readonly host: string;
  /** `METHOD /path` of all requests so far. */
  readonly seen: readonly string[];
  readonly requests: readonly FakeRequest[];
  close(): Promise<void>;
}

/** `answer` undefined means 404. */
export async function fakeDaemon(
  answer: (request: FakeRequest) => FakeReply | undefined,
): Promise<FakeDaemon> {
  const directory = await mkdtemp(join(tmpdir(), 'fake-daemon-'));
  const socketPath = join(directory, 'daemon.sock');
  const requests: FakeRequest[] = [];
  const seen: string[] = [];
  const server = createServer((incoming, response) => {
    void readBody(incoming).then((body) => {
      const url = new URL(incoming.url ?? '/', 'http://daemon');
      const method = incoming.method ?? '';
      const path = decodeURIComponent(url.pathname.replace(/^\/v1\.\d+/, ''));
      const request = { method, path, query: url.searchParams, body };
      requests.push(request);
      seen.push(`${method} ${path}`);
      const missing = { status: 404, body: { message: `${path} not found` } };
      const { status = 200, body: reply } = answer(request) ?? missing;
      response.writeHead(status);
      response.end(reply instanceof Uint8Array ? reply : JSON.stringify(reply ?? {}));
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    host: `unix://${socketPath}`,
    seen,
    requests,
    close: async () => {
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function readBody(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? undefined : (JSON.parse(text) as unknown);
}
