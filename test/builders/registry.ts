// A real registry (Debian's docker-registry) on a loopback port, and pushing to it, for tests.
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { imageParts, ociManifest, type ImageArchiveOptions } from './image-archive.ts';

export interface TestRegistry {
  /** "127.0.0.1:PORT". */
  readonly host: string;
  /** Pushes an image of one layer; returns the digest of its manifest. */
  push(repository: string, tag: string, image: ImageArchiveOptions): Promise<string>;
  /** Pushes a document as it is, for instance an index. */
  pushManifest(
    repository: string,
    tag: string,
    mediaType: string,
    content: Buffer,
  ): Promise<string>;
  stop(): Promise<void>;
}

/** User "bob", password "hush", for registries with a login. */
const HTPASSWD = 'bob:$2b$05$JRROI/Yp4lwJJzhkBjhCqO2EEJ./.7mbiWIXxFwMZXPQXvnOzOE86\n';
export const BOB = { username: 'bob', password: 'hush' };

/** Starts the registry; with `login` only BOB may use it. */
export async function startRegistry(options: { login?: boolean } = {}): Promise<TestRegistry> {
  const directory = mkdtempSync('/tmp/tsswarm-registry-');
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  writeFileSync(join(directory, 'htpasswd'), HTPASSWD);
  const lines = [
    'version: 0.1',
    'log: { level: error }',
    `storage: { filesystem: { rootdirectory: ${join(directory, 'data')} } }`,
    `http: { addr: "${host}" }`,
  ];
  if (options.login === true) {
    lines.push(`auth: { htpasswd: { realm: test, path: ${join(directory, 'htpasswd')} } }`);
  }
  writeFileSync(join(directory, 'config.yml'), `${lines.join('\n')}\n`);
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], {
    stdio: 'ignore',
  });
  await listening(port, child);
  const headers: Record<string, string> =
    options.login === true
      ? { authorization: `Basic ${Buffer.from('bob:hush').toString('base64')}` }
      : {};
  return {
    host,
    push: (repository, tag, image) => push(host, headers, repository, tag, image),
    pushManifest: (repository, tag, type, content) =>
      putManifest(host, headers, repository, tag, type, content),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill('SIGKILL')) await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function push(
  host: string,
  headers: Record<string, string>,
  repository: string,
  tag: string,
  image: ImageArchiveOptions,
): Promise<string> {
  const { layer, config } = await imageParts(image);
  for (const blob of [layer, config]) {
    const begun = await call('POST', `http://${host}/v2/${repository}/blobs/uploads/`, headers);
    const url = new URL(begun.headers.location ?? '', `http://${host}`);
    url.searchParams.set('digest', sha256(blob));
    await call('PUT', url.href, { ...headers, 'content-type': 'application/octet-stream' }, blob);
  }
  const { manifest, descriptor } = ociManifest(layer, config);
  return putManifest(host, headers, repository, tag, descriptor.mediaType, manifest);
}

async function putManifest(
  host: string,
  headers: Record<string, string>,
  repository: string,
  tag: string,
  mediaType: string,
  content: Buffer,
): Promise<string> {
  const url = `http://${host}/v2/${repository}/manifests/${tag}`;
  await call('PUT', url, { ...headers, 'content-type': mediaType }, content);
  return sha256(content);
}

function call(
  method: string,
  url: string,
  headers: Record<string, string>,
  body?: Buffer,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const length = { 'content-length': String(body?.length ?? 0) };
    const sent = request(url, { method, headers: { ...headers, ...length } }, (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      if (statusCode >= 200 && statusCode < 300) resolve(response);
      else reject(new Error(`${method} ${url}: ${statusCode}`));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export interface TestProxy {
  readonly host: string;
  /** "METHOD path range" of every request so far. */
  readonly seen: readonly string[];
  stop(): Promise<void>;
}

/**
 * Stands before a registry and may change the body of answers: what it returns is sent, then cut
 * off.
 */
export async function startProxy(
  registry: TestRegistry,
  spoil: (path: string, body: Buffer, count: number) => { body: Buffer; cut: boolean } | undefined,
): Promise<TestProxy> {
  const seen: string[] = [];
  const counts = new Map<string, number>();
  const server = createServer((incoming, outgoing) => {
    const { url = '/', method = 'GET', headers } = incoming;
    seen.push(`${method} ${url} ${headers.range ?? ''}`.trim());
    const forwarded = request(`http://${registry.host}${url}`, { method, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const count = (counts.get(url) ?? 0) + 1;
        counts.set(url, count);
        const whole = Buffer.concat(chunks);
        const spoiled = spoil(url, whole, count);
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        outgoing.write(spoiled?.body ?? whole, () => {
          if (spoiled?.cut === true) incoming.socket.destroy();
          else outgoing.end();
        });
      });
    });
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { host: `127.0.0.1:${port}`, seen, stop: () => stopServer(server) };
}

function stopServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await stopServer(server);
  return port;
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function sha256(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
