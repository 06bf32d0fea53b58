// The containers' routes over a real socket, with containers that are only remembered.
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryContainers, backendOf } from '../../test/builders/memory-containers.ts';
import { silentLogger } from '../base/index.ts';
import { EngineApiServer } from './server.ts';
import { MULTIPLEXED, RAW } from './http/index.ts';

let directory: string;
let socketPath: string;
let containers: MemoryContainers;
let server: EngineApiServer;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'engine-api-'));
  socketPath = join(directory, 'api.sock');
  containers = new MemoryContainers();
  server = new EngineApiServer(backendOf(containers), silentLogger);
  await server.listen(socketPath);
});

afterEach(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly body: unknown;
}

/** Resolves with the headers; the body is still to come. */
function open(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const request = httpRequest(
      {
        socketPath,
        method,
        path,
        agent: false,
        headers: {
          ...(text === '' ? {} : { 'Content-Type': 'application/json' }),
          'Content-Length': Buffer.byteLength(text),
          ...headers,
        },
      },
      resolve,
    );
    request.once('error', reject);
    request.end(text);
  });
}

async function read(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}

async function call(method: string, path: string, body?: unknown): Promise<Answer> {
  const message = await open(method, path, body);
  const text = await read(message);
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    text,
    body: text.startsWith('{') || text.startsWith('[') ? (JSON.parse(text) as unknown) : undefined,
  };
}

async function create(name: string, config: object = {}): Promise<string> {
  const answer = await call('POST', `/containers/create?name=${name}`, { Image: 'img', ...config });
  expect(answer.status).toBe(201);
  return (answer.body as { Id: string }).Id;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** One frame of Docker's multiplexed streams, as it is read. */
const framed = (stream: number, text: string): string =>
  `${String.fromCharCode(stream)}\0\0\0\0\0\0${String.fromCharCode(text.length)}${text}`;

describe('/containers/create', () => {
  it('gives the id and warnings', async () => {
    const HostConfig = { NetworkMode: 'host', PortBindings: { '80/tcp': [{ HostPort: '1' }] } };
    const answer = await call('POST', '/v1.41/containers/create', { Image: 'img', HostConfig });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      Id: '01'.repeat(32),
      Warnings: ['Published ports are discarded when using host network mode'],
    });
  });

  it.each([
    ['', {}, 400, 'config cannot be empty in order to create a container'],
    ['?name=a!', { Image: 'img' }, 400, 'Invalid container name (a!), only'],
    ['', { Image: 'missing' }, 404, 'No such image: missing:latest'],
    ['', { Image: 'img', OpenStdin: true }, 501, 'leave out -i'],
    ['?platform=linux/s390x', { Image: 'img' }, 501, 'platform linux/s390x is not available'],
  ])('refuses %j %j', async (query, body, status, message) => {
    const answer = await call('POST', `/containers/create${query}`, body);
    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({ message: expect.stringContaining(message) });
  });
});

describe('the life of a container', () => {
  it('starts, stops and goes, with what Docker answers the second time', async () => {
    await create('web');
    const answers = [
      await call('POST', '/containers/web/start'),
      await call('POST', '/containers/web/start'),
      await call('DELETE', '/containers/web'),
      await call('POST', '/containers/web/stop?t=3&signal=SIGINT'),
      await call('POST', '/containers/web/stop'),
      await call('POST', '/containers/web/kill'),
      await call('POST', '/containers/web/restart?t=-1'),
      await call('POST', '/containers/web/rename?name=/other'),
      await call('DELETE', '/containers/other?link=1'),
      await call('DELETE', '/containers/other?v=1&force=1'),
      await call('POST', '/containers/other/start'),
    ];
    expect(answers.map(({ status }) => status)).toEqual([
      204, 304, 409, 204, 304, 409, 204, 204, 501, 204, 404,
    ]);
    expect(containers.calls).toEqual([
      ['remove', { force: false, volumes: false }],
      ['stop', { signal: 'SIGINT', timeoutSeconds: 3 }],
      ['stop', { signal: undefined, timeoutSeconds: undefined }],
      ['kill', 'SIGKILL'],
      ['restart', { signal: undefined, timeoutSeconds: -1 }],
      ['remove', { force: true, volumes: true }],
    ]);
  });

  it.each([
    ['/containers/web/stop?t=x', 400, 'strconv.Atoi: parsing "x": invalid syntax'],
    ['/containers/web/rename', 400, 'Neither old nor new names may be empty'],
    ['/containers/web/rename?name=x', 400, 'Invalid container name (x)'],
    ['/containers/none/wait', 404, 'No such container: none'],
    ['/containers/web/wait?condition=x', 400, 'invalid condition: "x"'],
    ['/containers/none/attach?stream=1&stdout=1', 404, 'No such container: none'],
    ['/containers/web/exec', 404, 'page not found'],
  ])('%s is refused', async (path, status, message) => {
    await create('web');
    const answer = await call('POST', path);
    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({ message: expect.stringContaining(message) });
  });
});

describe('/containers/json', () => {
  const names = async (query: string): Promise<string[]> => {
    const { body } = await call('GET', `/containers/json${query}`);
    return (body as { Names: string[] }[]).map(({ Names }) => Names[0] ?? '');
  };
  const filter = (filters: object): string => `filters=${JSON.stringify(filters)}`;

  it('lists what runs, newest first, and more when asked', async () => {
    for (const name of ['one', 'two', 'three']) await create(name);
    await call('POST', '/containers/one/start');
    await call('POST', '/containers/three/start');
    containers.end('three', 3);
    expect(await names('')).toEqual(['/one']);
    expect(await names('?all=1')).toEqual(['/three', '/two', '/one']);
    expect(await names('?limit=2')).toEqual(['/three', '/two']);
    expect(await names(`?${filter({ status: ['created'] })}`)).toEqual(['/two']);
    expect(await names(`?all=1&${filter({ exited: ['3'] })}`)).toEqual(['/three']);
    expect(await names(`?all=1&${filter({ ancestor: ['img'] })}`)).toHaveLength(3);
    expect(await names(`?all=1&${filter({ ancestor: ['1234'] })}`)).toHaveLength(3);
    expect(await names(`?all=1&${filter({ ancestor: ['other'] })}`)).toEqual([]);
    expect((await call('GET', `/containers/json?${filter({ what: ['x'] })}`)).status).toBe(400);
  });

  it('and inspect know what the image says', async () => {
    await create('web', { Labels: { of: 'user' } });
    const { body: list } = await call('GET', '/containers/json?all=1');
    expect(list).toMatchObject([{ Command: 'serve', Labels: { of: 'user' }, Status: 'Created' }]);
    const { body } = await call('GET', '/containers/web/json');
    expect(body).toMatchObject({ Path: 'serve', Config: { Cmd: ['serve'], Image: 'img' } });
  });

  it('prune removes what does not run and fits', async () => {
    await create('one', { Labels: { keep: '1' } });
    const two = await create('two', { Labels: { go: '1' } });
    await create('three', { Labels: { go: '1' } });
    await call('POST', '/containers/three/start');
    const answer = await call('POST', `/containers/prune?${filter({ label: { go: true } })}`);
    expect(answer.body).toEqual({ ContainersDeleted: [two], SpaceReclaimed: 0 });
    expect(await names('?all=1')).toEqual(['/three', '/one']);
  });
});

describe('/containers/{id}/wait', () => {
  it('sends its headers before the start and the exit code after the end', async () => {
    await create('web');
    const waiting = await open('POST', '/containers/web/wait?condition=next-exit');
    expect(waiting.statusCode).toBe(200);
    await call('POST', '/containers/web/start');
    containers.end('web', 7);
    expect(JSON.parse(await read(waiting))).toEqual({ StatusCode: 7 });
    expect((await call('POST', '/containers/web/wait')).body).toEqual({ StatusCode: 7 });
  });

  it('tells of the end of one that is removed, and of its error', async () => {
    await create('web');
    await call('POST', '/containers/web/start');
    const waiting = await open('POST', '/containers/web/wait?condition=removed');
    containers.change('web', { error: 'it broke', exitCode: 127 });
    await call('DELETE', '/containers/web?force=1');
    expect(JSON.parse(await read(waiting))).toEqual({
      StatusCode: 127,
      Error: { Message: 'it broke' },
    });
  });

  it('ends with its client, and with the server', async () => {
    await create('web');
    await call('POST', '/containers/web/start');
    const gone = await open('POST', '/containers/web/wait');
    await until(() => containers.listeners('web') === 1);
    gone.destroy();
    await until(() => containers.listeners('web') === 0);
    const waiting = await open('POST', '/containers/web/wait');
    const failed = read(waiting).catch(() => 'failed');
    await server.close();
    expect(await failed).toBe('failed');
  });
});

describe('/containers/{id}/logs', () => {
  beforeEach(async () => {
    await create('web');
    containers.write('web', 'out\n');
    containers.write('web', 'err\n', 2);
  });

  it('frames both streams', async () => {
    const answer = await call('GET', '/containers/web/logs?stdout=1&stderr=1');
    expect(answer.headers['content-type']).toBe(MULTIPLEXED);
    expect(answer.text).toBe(framed(1, 'out\n') + framed(2, 'err\n'));
  });

  it('takes the query, and calls the stream raw before API 1.42', async () => {
    const answer = await call(
      'GET',
      '/v1.41/containers/web/logs?stderr=1&timestamps=1&tail=5&since=12.5',
    );
    expect(answer.headers['content-type']).toBe(RAW);
    expect(answer.text).toBe(framed(2, '2025-01-01T00:00:00Z err\n'));
    const query = { follow: false, tail: 5, since: 12_500, until: 0, stdout: false, stderr: true };
    expect(containers.calls).toEqual([['logs', query]]);
  });

  it('has no frames with a terminal', async () => {
    await create('term', { Tty: true });
    containers.write('term', 'hello\r\n');
    const answer = await call('GET', '/containers/term/logs?stdout=1&stderr=1');
    expect(answer.headers['content-type']).toBe(RAW);
    expect(answer.text).toBe('hello\r\n');
  });

  it('can be read only where there are any, and of some stream', async () => {
    expect((await call('GET', '/containers/web/logs')).status).toBe(400);
    await create('mute', { HostConfig: { LogConfig: { Type: 'none' } } });
    expect((await call('GET', '/containers/mute/logs?stdout=1')).status).toBe(501);
  });
});

/** A connection that asked to attach: what the server says first, and all that comes after. */
interface Attached {
  readonly socket: Socket;
  readonly head: Record<string, string>;
  readonly status: string;
  rest(): Promise<string>;
}

function attach(path: string, headers: readonly string[]): Promise<Attached> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath, allowHalfOpen: true });
    let text = '';
    let ended = false;
    const rest = async (): Promise<string> => {
      await until(() => ended);
      return text.slice(text.indexOf('\r\n\r\n') + 4);
    };
    socket.once('error', reject);
    socket.on('end', () => (ended = true));
    socket.on('data', (chunk) => {
      const known = text.includes('\r\n\r\n');
      text += chunk.toString('latin1');
      if (known || !text.includes('\r\n\r\n')) return;
      const [status = '', ...lines] = (text.split('\r\n\r\n')[0] ?? '').split('\r\n');
      const head = lines.map((line) => {
        const [name = '', value = ''] = line.split(': ');
        return [name.toLowerCase(), value];
      });
      resolve({ socket, status, head: Object.fromEntries(head) as Record<string, string>, rest });
    });
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\n${headers.join('\r\n')}\r\n\r\n`);
  });
}

const UPGRADE = ['Connection: Upgrade', 'Upgrade: tcp', 'Content-Length: 0'];

describe('/containers/{id}/attach', () => {
  const all = '/attach?stream=1&stdout=1&stderr=1';

  it('takes the connection over, before the start, until the run ends', async () => {
    await create('web');
    containers.write('web', 'of an earlier run\n');
    const attached = await attach(`/containers/web${all}`, UPGRADE);
    expect(attached.status).toBe('HTTP/1.1 101 UPGRADED');
    expect(attached.head).toEqual({
      'content-type': MULTIPLEXED,
      connection: 'Upgrade',
      upgrade: 'tcp',
    });
    // The docker CLI closes its side at once when it has no input.
    attached.socket.end('input that nobody reads\n');
    await call('POST', '/containers/web/start');
    containers.write('web', 'out\n');
    containers.write('web', 'err\n', 2);
    containers.end('web', 0);
    expect(await attached.rest()).toBe(framed(1, 'out\n') + framed(2, 'err\n'));
  });

  it('gives history and single streams', async () => {
    await create('web');
    containers.write('web', 'out\n');
    containers.write('web', 'err\n', 2);
    const history = await attach('/v1.41/containers/web/attach?logs=1&stderr=1', UPGRADE);
    expect(history.head['content-type']).toBe(RAW);
    expect(await history.rest()).toBe(framed(2, 'err\n'));
    const both = await attach('/containers/web/attach?logs=1&stream=1&stdout=1', UPGRADE);
    await call('POST', '/containers/web/start');
    containers.write('web', 'more\n');
    containers.end('web', 0);
    expect(await both.rest()).toBe(framed(1, 'out\n') + framed(1, 'more\n'));
    const none = await attach('/containers/web/attach?stream=1', UPGRADE);
    expect(await none.rest()).toBe('');
  });

  it('is raw with a terminal', async () => {
    await create('term', { Tty: true });
    const attached = await attach(`/containers/term${all}`, UPGRADE);
    expect(attached.head['content-type']).toBe(RAW);
    await call('POST', '/containers/term/start');
    containers.write('term', 'hello\r\n');
    containers.end('term', 0);
    expect(await attached.rest()).toBe('hello\r\n');
  });

  it('answers 200 and the bare stream to clients that ask for no upgrade', async () => {
    await create('web');
    const attached = await attach(`/containers/web${all}`, ['Content-Length: 0']);
    expect(attached.status).toBe('HTTP/1.1 200 OK');
    expect(attached.head).toMatchObject({ 'content-type': MULTIPLEXED, connection: 'close' });
    expect(attached.head).not.toHaveProperty('transfer-encoding');
    await call('POST', '/containers/web/start');
    containers.write('web', 'out\n');
    containers.end('web', 0);
    expect(await attached.rest()).toBe(framed(1, 'out\n'));
  });

  it('refuses in HTTP, and closes', async () => {
    const unknown = await attach(`/containers/none${all}`, UPGRADE);
    expect(unknown.status).toBe('HTTP/1.1 404 Not Found');
    expect(await unknown.rest()).toBe('{"message":"No such container: none"}\n');
    await create('web');
    containers.change('web', { state: 'restarting' });
    const restarting = await attach(`/containers/web${all}`, UPGRADE);
    expect(restarting.status).toBe('HTTP/1.1 409 Conflict');
  });

  it('lets go of the container when its client has gone', async () => {
    await create('web');
    await call('POST', '/containers/web/start');
    const attached = await attach(`/containers/web${all}`, UPGRADE);
    await until(() => containers.listeners('web') === 1);
    attached.socket.destroy();
    // A closed side says nothing; the next writes do.
    await until(() => {
      if (containers.listeners('web') === 0) return true;
      containers.write('web', 'out\n');
      return false;
    });
  });

  it('holds up neither the end of the server nor its other end', async () => {
    await create('web');
    await call('POST', '/containers/web/start');
    const attached = await attach(`/containers/web${all}`, UPGRADE);
    await server.close();
    await until(() => containers.listeners('web') === 0);
    expect(await attached.rest()).toBe('');
    attached.socket.destroy();
  });
});

describe('a request for another protocol', () => {
  it('is ignored by routes that have none, with the body kept', async () => {
    const h2c = { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAM' };
    const answer = await open('POST', '/containers/create?name=web', { Image: 'img' }, h2c);
    expect(answer.statusCode).toBe(201);
    expect(JSON.parse(await read(answer))).toEqual({ Id: '01'.repeat(32), Warnings: [] });
  });
});
