// What no client should send: every route answers 4xx (or that it can't do that), with Docker's
// {"message"} and nothing of our insides, and goes on.
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ApiServer } from '../../test/builders/api-server.ts';
import { ROUTES } from './routes/index.ts';

let api: ApiServer;

beforeAll(async () => {
  api = await ApiServer.start();
});

afterAll(() => api.stop());

beforeEach(() => {
  api.faults.length = 0;
});

/** Bytes as they are, and what comes back until the server closes. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(api.socketPath);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.once('close', () => resolve(text));
    socket.once('error', reject);
    socket.write(bytes);
  });
}

describe('a malformed address', () => {
  it.each([
    ['GET', '/services/%zz', 400, 'invalid URL escape "%zz"'],
    ['GET', '/services/%', 400, 'invalid URL escape "%"'],
    ['GET', '/services/a%00b', 400, 'NUL'],
    ['GET', '/services/%ff%fe', 400, 'is not UTF-8'],
    ['GET', '/volumes/x/../y', 400, 'dots'],
    ['GET', '/volumes/%2e%2e', 400, 'dots'],
    ['GET', '/services?filters=%zz', 400, 'invalid URL escape'],
    ['GET', '/services?status=1;filters=x', 400, 'semicolon'],
    ['GET', `/services?filters=${'a'.repeat(70_000)}`, 400, 'longer than'],
    ['GET', `/services?${'a&'.repeat(2_000)}`, 400, 'more than'],
    ['GET', '/containers/json?limit=x', 400, 'invalid syntax'],
    ['GET', `/tasks/x/logs?stdout=1&since=${'9'.repeat(400)}`, 404, 'task x not found'],
  ])('%# is refused', async (method, path, status, message) => {
    const answer = await api.call(method, path);
    expect(answer).toMatchObject({ status, body: { message: expect.stringContaining(message) } });
  });

  it('is read as Docker does when it is only untidy', async () => {
    for (const path of ['/networks/', '//networks', '/v1.44//networks/', '/networks?a=1&a=2#x']) {
      expect(await api.call('GET', path)).toMatchObject({ status: 200 });
    }
    expect(await raw('GET http://any/_ping HTTP/1.0\r\n\r\n')).toContain('200 OK');
  });

  it.each([
    ['DELETE', '/volumes/..%2F..%2Fx', 'get ../../x: no such volume'],
    ['GET', '/volumes/..%2Fx', 'get ../x: no such volume'],
    ['GET', '/containers/..%2Fx/json', 'No such container: ../x'],
    ['DELETE', '/secrets/a%2Fb', 'secret a/b not found'],
    ['DELETE', '/images/..%2F..%2Fx', 'No such image: ../../x'],
    ['POST', '/images/a%2F..%2F..%2Fx/tag?repo=y', 'No such image: a/../../x'],
    ['GET', '/nodes/%20', 'node   not found'],
    ['GET', `/services/${'a'.repeat(300)}`, 'not found'],
  ])('%# names nothing', async (method, path, message) => {
    api.asked.length = 0;
    const answer = await api.call(method, path);
    expect(answer).toMatchObject({
      status: 404,
      body: { message: expect.stringContaining(message) },
    });
    expect(api.asked).toEqual([]);
  });
});

describe('a user’s pattern', () => {
  const listed = (path: string, pattern: string): ReturnType<ApiServer['call']> =>
    api.call('GET', `${path}?filters=${encodeURIComponent(JSON.stringify({ name: [pattern] }))}`);

  it.each(['/containers/json', '/networks', '/volumes'])(
    'of %s is linear, and refused when it is none',
    async (path) => {
      api.volumes.set('a'.repeat(100), {});
      expect(await listed(path, '^((a+)+)+!$')).toMatchObject({ status: 200 });
      for (const pattern of ['(', '(?=a)', 'x{2000}', 'a'.repeat(300)]) {
        expect(await listed(path, pattern)).toMatchObject({
          status: 400,
          body: { message: expect.stringContaining("filter 'name") },
        });
      }
    },
  );

  it('finds what Docker finds', async () => {
    expect((await listed('/networks', '^(bri|ho)')).body).toMatchObject([
      { Name: 'bridge' },
      { Name: 'host' },
    ]);
  });
});

describe('a malformed body', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  it.each<[string, string, Record<string, string>, number, string]>([
    ['no JSON', '{', {}, 400, 'is not JSON'],
    ['more than JSON', '{} {}', {}, 400, 'is not JSON'],
    ['a list', '[]', {}, 400, 'must be a JSON object'],
    ['a text', '"x"', {}, 400, 'must be a JSON object'],
    ['too deep', `{"Labels":${deep}}`, {}, 400, 'nested too deep'],
    ['of another type', 'a=b', { 'Content-Type': 'text/plain' }, 400, 'unsupported Content-Type'],
    ['a near miss', '{}', { 'Content-Type': 'application/jsonx' }, 400, 'unsupported Content-Type'],
    ['a wrong field', '{"Name":1,"TaskTemplate":{"ContainerSpec":{"Image":"i"}}}', {}, 400, 'Name'],
    [
      'beyond numbers',
      '{"TaskTemplate":{"ContainerSpec":{"Image":"i"},"ForceUpdate":1e400}}',
      {},
      400,
      'ForceUpdate',
    ],
    ['too large', `{"a":"${'x'.repeat(9_000_000)}"}`, {}, 413, 'larger than'],
  ])('%s is refused', async (_name, bytes, headers, status, message) => {
    const answer = await api.call('POST', '/services/create', { bytes, headers });
    expect(answer).toMatchObject({ status, body: { message: expect.stringContaining(message) } });
  });

  it('without an end ends with the connection', async () => {
    const socket = connect(api.socketPath);
    socket.on('error', () => {});
    socket.write('POST /services/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.destroy();
    expect(await api.call('GET', '/_ping')).toMatchObject({ status: 200 });
    expect(api.faults).toEqual([]);
  });
});

describe('what is not HTTP', () => {
  it.each([
    ['hello\r\n\r\n', '400 Bad Request'],
    ['GET / HTTP/9.9\r\n\r\n', '400 Bad Request'],
    [`GET /_ping HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(300_000)}\r\n\r\n`, '431 Request Header'],
    ['POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', '400 Bad Request'],
  ])('%# is refused in our words', async (bytes, status) => {
    const text = await raw(bytes);
    expect(text).toContain(`HTTP/1.1 ${status}`);
    expect(text).toContain('{"message":"malformed request');
  });
});

describe('any request', () => {
  const segment = fc.oneof(
    fc.constantFrom(
      'x',
      'n1',
      '%zz',
      '%00',
      '%',
      '..%2F..%2Fx',
      '%2e%2e',
      '.',
      'a%2fb',
      '%F0%28',
      '*',
    ),
    fc.string({ maxLength: 40 }).map(encodeURIComponent),
    fc.constant('a'.repeat(5_000)),
  );
  const value = fc.oneof(
    fc.constantFrom(
      '',
      '0',
      '1',
      '-1',
      'true',
      '99999999999999999999',
      'NaN',
      '{}',
      '[]',
      '{"id":1}',
    ),
    fc.json({ maxDepth: 6 }).map(encodeURIComponent),
    fc.constantFrom(...['name', 'label', 'id', 'volume', 'before'].map(filterOf)),
    segment,
  );
  const key = fc.constantFrom(
    ...(
      'filters all limit version tail since until stdout force name signal t condition ' +
      'fromImage tag repo rollback platform from port'
    ).split(' '),
  );
  const query = fc.array(fc.tuple(key, value), { maxLength: 4 });
  const fields = (
    'Name name Labels TaskTemplate ContainerSpec Image Mode HostConfig Spec IPAM Config Data Driver ' +
    'Mounts Env __proto__ constructor EndpointSpec Ports DefaultAddrPool NetworkingConfig Cmd'
  ).split(' ');
  const { object } = fc.letrec((tie) => ({
    object: fc.dictionary(fc.oneof(fc.constantFrom(...fields), fc.string()), tie('any'), {
      maxKeys: 8,
      noNullPrototype: true,
    }),
    any: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom<unknown>(null, true, 0, -1, 1e308, 0.5, '', 'x', '\0', '\ud800', 'a/../b'),
      fc.string(),
      fc.array(tie('any'), { maxLength: 4 }),
      tie('object'),
    ),
  }));
  const body = fc.oneof(
    object.map((one) => JSON.stringify(one)),
    fc.string(),
    fc.constantFrom('', '{', 'null', '[]', '{"a":1}{}', '\ufeff{}', '{"a":"\u0000"}'),
    fc.json(),
  );
  const type = fc.constantFrom('application/json', 'text/plain', 'application/x-tar', ';', '');
  const route = fc.constantFrom(...ROUTES).chain(({ method, pattern }) => {
    const names = pattern.split(/\{[^}]*\}/);
    return fc
      .tuple(...names.slice(1).map(() => segment))
      .map((given) => ({ method, path: names.map((name, i) => name + (given[i] ?? '')).join('') }));
  });

  it('is answered, with a sentence when it is refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(route, query, body, type), { minLength: 100, maxLength: 100 }),
        async (requests) => {
          const answers = requests.map(async ([{ method, path }, given, bytes, contentType]) => {
            const text = given.map(([name, one]) => `${name}=${one}`).join('&');
            const url = `${path}${text === '' ? '' : `?${text}`}`;
            // A log that goes on for ever is no answer to wait for.
            const call = { bytes, headers: { 'Content-Type': contentType } };
            const { status, body: answer } = await api.call(method, url, call);
            const said =
              status < 400 || typeof (answer as { message?: unknown }).message === 'string';
            const fine = said && (status < 500 || status === 501 || isKnown(status, answer));
            return fine ? [] : [`${method} ${url} ${bytes}: ${status} ${JSON.stringify(answer)}`];
          });
          expect((await Promise.all(answers)).flat()).toEqual([]);
          expect(api.faults).toEqual([]);
        },
      ),
      { numRuns: 50 },
    );
  });
});

function filterOf(name: string): string {
  return encodeURIComponent(JSON.stringify({ [name]: ['(a+)+$', '=', '\\'] }));
}

/** Docker's status of a stale version, and what this backend has none of. */
function isKnown(status: number, answer: unknown): boolean {
  const { message } = answer as { message: string };
  return (
    (status === 500 && message === 'update out of sequence') ||
    message === 'this is no backup' ||
    message === 'there is no backup here'
  );
}
