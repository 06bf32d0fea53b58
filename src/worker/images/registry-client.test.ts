import { createHash } from 'node:crypto';
import { VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { SwarmError } from '../../base/index.ts';
import { MEDIA_TYPE } from './manifest.ts';
import type { HttpRequest, HttpResponse } from './ports.ts';
import { parseReference } from './reference.ts';
import { createRegistryClient } from './registry-client.ts';

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

const manifest = JSON.stringify({ mediaType: MEDIA_TYPE.ociManifest, config: {}, layers: [] });
const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A client whose requests are answered by `answer` and written down. */
function client(answer: (request: HttpRequest) => Answer, insecureRegistries: string[] = []) {
  const seen: HttpRequest[] = [];
  const http = {
    async request(request: HttpRequest): Promise<HttpResponse> {
      seen.push(request);
      const { status, headers = {}, body = '' } = answer(request);
      const chunks = (async function* () {
        yield Buffer.from(body);
      })();
      return { status, headers, body: chunks, discard: () => undefined };
    },
  };
  return {
    seen,
    registry: createRegistryClient({ http, clock: new VirtualClock(), sha256, insecureRegistries }),
  };
}

const challenge = {
  status: 401,
  headers: {
    'www-authenticate':
      'Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull"',
  },
};

describe('the registry client', () => {
  it('gets a bearer token with user and password, and uses it', async () => {
    const { seen, registry } = client(({ url, headers }) => {
      if (url.startsWith('https://auth.example')) return { status: 200, body: '{"token":"T"}' };
      return headers.authorization === 'Bearer T' ? { status: 200, body: manifest } : challenge;
    });
    const auth = encode({ username: 'bob', password: 'hush' });
    const session = registry.session(parseReference('reg.example/a/b:1'), { auth });
    expect((await session.manifest()).descriptor.mediaType).toBe(MEDIA_TYPE.ociManifest);
    expect(seen.map(({ url }) => url)).toEqual([
      'https://reg.example/v2/a/b/manifests/1',
      'https://auth.example/token?service=reg&scope=repository%3Aa%2Fb%3Apull&client_id=tsswarm',
      'https://reg.example/v2/a/b/manifests/1',
    ]);
    expect(seen[1]?.headers.authorization).toBe(
      `Basic ${Buffer.from('bob:hush').toString('base64')}`,
    );
    await session.manifest();
    expect(seen).toHaveLength(4);
  });

  it('exchanges an identity token by POST, and sends a registry token as it is', async () => {
    const answer = ({ url, headers }: HttpRequest): Answer => {
      if (url.startsWith('https://auth.example'))
        return { status: 200, body: '{"access_token":"T"}' };
      return headers.authorization === undefined ? challenge : { status: 200, body: manifest };
    };
    const first = client(answer);
    const reference = parseReference('reg.example/a/b');
    await first.registry.session(reference, { auth: encode({ identitytoken: 'I' }) }).manifest();
    expect(first.seen[1]).toMatchObject({ method: 'POST', url: 'https://auth.example/token' });
    expect(first.seen[1]?.body).toContain('grant_type=refresh_token&refresh_token=I');
    const second = client(answer);
    await second.registry.session(reference, { auth: encode({ registrytoken: 'R' }) }).manifest();
    expect(second.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer R']);
  });

  it('sends no credentials where a redirect leads', async () => {
    const { seen, registry } = client(({ url }) =>
      url.startsWith('https://blobs.example')
        ? { status: 200, body: 'x' }
        : { status: 307, headers: { location: 'https://blobs.example/x' } },
    );
    const auth = encode({ registrytoken: 'R' });
    const session = registry.session(parseReference('reg.example/a/b'), { auth });
    await session.blob({ mediaType: '', digest: `sha256:${'a'.repeat(64)}`, size: 1 }, 0);
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer R', undefined]);
  });

  it('refuses plain HTTP by redirect or login, except where the registry may be insecure', async () => {
    const redirect = (): Answer => ({ status: 307, headers: { location: 'http://b.example/' } });
    const plainLogin = (): Answer => ({
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="http://auth.example/"' },
    });
    const reference = parseReference('reg.example/a/b');
    for (const answer of [redirect, plainLogin]) {
      const { seen, registry } = client(answer);
      await expect(registry.session(reference, {}).manifest()).rejects.toMatchObject({
        code: 'denied',
      });
      expect(seen).toHaveLength(1);
    }
  });

  it.each([
    ['localhost:5000/a', []],
    ['127.0.0.1:5000/a', []],
    ['reg.example:5000/a', ['reg.example:5000']],
  ])('falls back to plain HTTP for %s, and remembers', async (name, insecure) => {
    const { seen, registry } = client(({ url }) => {
      if (url.startsWith('https:')) throw new SwarmError('unavailable', 'no TLS');
      return { status: 200, body: manifest };
    }, insecure);
    await registry.session(parseReference(name), {}).manifest();
    await registry.session(parseReference(name), {}).manifest();
    expect(seen.map(({ url }) => new URL(url).protocol)).toEqual(['https:', 'http:', 'http:']);
  });

  it('speaks only HTTPS to everybody else, and to Docker’s own registry', async () => {
    const { seen, registry } = client(() => {
      throw new SwarmError('unavailable', 'nobody there');
    });
    await expect(registry.session(parseReference('nginx'), {}).manifest()).rejects.toThrow(
      'nobody',
    );
    expect(seen.map(({ url }) => new URL(url).pathname)).toEqual([
      '/v2/library/nginx/manifests/latest',
    ]);
  });

  it.each([
    [
      401,
      '',
      'notFound',
      "pull access denied for reg.example/a, repository does not exist or may require 'docker login': denied",
    ],
    [403, '{"errors":[{"code":"DENIED","message":"no"}]}', 'notFound', 'denied: no'],
    [
      404,
      '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}',
      'notFound',
      'manifest for reg.example/a:latest not found: manifest unknown: manifest unknown',
    ],
    [
      404,
      '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}',
      'notFound',
      'repository reg.example/a not found: name unknown',
    ],
    [
      429,
      '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow"}]}',
      'unavailable',
      'toomanyrequests: slow',
    ],
    [500, 'oops', 'unavailable', 'answers 500'],
  ])('says what %i %s means', async (status, body, code, message) => {
    const { registry } = client(() => ({ status, body }));
    const failure: unknown = await registry
      .session(parseReference('reg.example/a'), {})
      .manifest()
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code, message: expect.stringContaining(message) as string });
  });

  it('refuses a manifest that is not the one asked for', async () => {
    const { registry } = client(() => ({ status: 200, body: manifest }));
    const reference = parseReference(`reg.example/a@sha256:${'b'.repeat(64)}`);
    await expect(registry.session(reference, {}).manifest()).rejects.toMatchObject({
      code: 'dataLoss',
    });
  });

  it.each([
    ['{"token":"a\\r\\nx: y"}', 'token'],
    [`{"token":"${'x'.repeat(40_000)}"}`, 'token'],
    [`{"token":"${'x'.repeat(80_000)}"}`, 'larger than'],
    ['{"token":{}}', 'token'],
    ['['.repeat(5000), 'nested too deep'],
  ])('takes no token out of %.40s…', async (body, message) => {
    const { registry } = client(({ url }) =>
      url.startsWith('https://auth.example') ? { status: 200, body } : challenge,
    );
    const session = registry.session(parseReference('reg.example/a/b:1'), {});
    await expect(session.manifest()).rejects.toThrow(message);
  });

  it.each(['http://[', 'file:///etc/passwd', 'ftp://x/', 'javascript:1'])(
    'is not redirected to %s',
    async (location) => {
      const { registry } = client(() => ({ status: 307, headers: { location } }), ['reg.example']);
      const session = registry.session(parseReference('reg.example/a/b:1'), {});
      await expect(session.manifest()).rejects.toThrow('redirects to');
    },
  );

  it('is not misled about where a blob goes on', async () => {
    const { registry, seen } = client(({ headers }) =>
      headers.range === undefined
        ? { status: 200, body: 'whole' }
        : { status: 206, headers: { 'content-range': 'bytes 999-1000/5' } },
    );
    const session = registry.session(parseReference('reg.example/a/b:1'), {});
    const blob = { mediaType: '', digest: `sha256:${'a'.repeat(64)}`, size: 5 };
    expect((await session.blob(blob, 2)).offset).toBe(0);
    expect(seen).toHaveLength(2);
  });
});

describe('a registry that sends a blob byte by byte', () => {
  /** `size` bytes in parts, with a pause before each. */
  async function read(part: number, pauseMs: number, status = 200, size = 4 * 1024 * 1024) {
    const clock = new VirtualClock();
    const body = (async function* () {
      for (let sent = 0; sent < size; sent += part) {
        await clock.advance(pauseMs);
        yield Buffer.alloc(part);
      }
    })();
    const http = {
      request: () => Promise.resolve({ status, headers: {}, body, discard: () => undefined }),
    };
    const registry = createRegistryClient({ http, clock, sha256, insecureRegistries: [] });
    // The name of the repository must not make a document of it.
    const session = registry.session(parseReference('reg.example/manifests/b:1'), {});
    const blob = { mediaType: '', digest: `sha256:${'a'.repeat(64)}`, size };
    let bytes = 0;
    const reading = async (): Promise<void> => {
      const found = await session.blob(blob, 0);
      for await (const chunk of found.body) {
        bytes += chunk.length;
        // What the reader itself takes is not the registry's.
        await clock.advance(1000);
      }
    };
    const failure: unknown = await reading().catch((error: unknown) => error);
    return { failure, bytes, elapsedMs: clock.monotonicMs() };
  }

  it('is given up, however often it says a little', async () => {
    const { failure, bytes } = await read(1, 10_000);
    expect(failure).toMatchObject({
      code: 'unavailable',
      message: 'the registry sent 7 bytes in 70 s: at least 16384 a second are required',
    });
    expect(bytes).toBeLessThan(10);
  });

  it('has a minute of grace, and all the time that its size needs', async () => {
    expect(await read(16 * 1024, 999)).toMatchObject({ failure: undefined, bytes: 4 * 1024 ** 2 });
    expect(await read(64 * 1024, 6_000)).toMatchObject({
      failure: { code: 'unavailable' },
    });
  });

  it('is given up too when it is an error that trickles', async () => {
    expect((await read(1, 10_000, 500)).elapsedMs).toBeLessThan(120_000);
  });

  it('has two minutes for what is no layer, whatever the repository is called', async () => {
    const { registry, seen } = client(() => ({ status: 200, body: manifest }));
    await registry.session(parseReference('reg.example/a/blobs/b:1'), {}).manifest();
    expect(seen[0]?.limitMs).toBe(120_000);
  });
});
