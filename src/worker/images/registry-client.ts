// A client of the OCI distribution API (and Docker's, which it grew from), for reading: bearer and
// basic authentication, redirects, plain HTTP only where it was allowed. It verifies what it reads
// as a whole; streamed blobs are verified by whoever stores them.
import { SwarmError, type Clock, type ErrorCode } from '../../base/index.ts';
import { MAX_DOCUMENT_BYTES, MEDIA_TYPE, mediaTypeOf, type Descriptor } from './manifest.ts';
import type { HttpResponse, HttpTransport } from './ports.ts';
import { familiarRepository, type ImageReference } from './reference.ts';
import { parseChallenges, parseRegistryAuth, type Challenge } from './registry-auth.ts';
import { registryErrorOf, tokenAnswerOf } from './schemas.ts';
import { atLeast } from './slow-body.ts';

/** docker.io is a name; this is the machine behind it. */
const DOCKER_HUB_HOST = 'registry-1.docker.io';
const MAX_REDIRECTS = 5;
const MAX_ERROR_BYTES = 64 * 1024;
/** A few kilobytes: who needs longer for them wants to keep us. */
const DOCUMENT_LIMIT_MS = 120_000;
const CLIENT_ID = 'tsswarm';
const ACCEPT_MANIFESTS = [
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.dockerList,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerManifest,
].join(', ');

export interface FetchOptions {
  /** Value of X-Registry-Auth. */
  readonly auth?: string | undefined;
  /** Ends whatever is under way. */
  readonly signal?: AbortSignal | undefined;
}

export interface RegistryClient {
  /** A conversation about one repository; keeps its token, so use one per pull. */
  session(reference: ImageReference, options: FetchOptions): RegistrySession;
}

export interface RegistrySession {
  /** The manifest or index behind a tag or digest; default: what the reference names. */
  manifest(tagOrDigest?: string): Promise<{ descriptor: Descriptor; bytes: Uint8Array }>;
  /** A small blob, verified. */
  document(descriptor: Descriptor): Promise<Uint8Array>;
  /** A blob from `offset` on, if the registry can; `offset` says where the body really starts. */
  blob(
    descriptor: Descriptor,
    offset: number,
    /** Of those who wait for this blob, instead of the session's. */
    signal?: AbortSignal,
  ): Promise<{ offset: number; body: AsyncIterable<Uint8Array> }>;
}

export interface RegistryClientOptions {
  readonly http: HttpTransport;
  /** Measures how fast blobs come. */
  readonly clock: Clock;
  /** Hex SHA-256. */
  readonly sha256: (content: Uint8Array) => string;
  /** "host", "host:port": plain HTTP and unverified certificates are accepted there. */
  readonly insecureRegistries: readonly string[];
}

/** A client over `http`; keeps nothing but which scheme an insecure registry speaks. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const schemes = new Map<string, 'http' | 'https'>();
  return {
    session: (reference, requested) => new Session(options, schemes, reference, requested),
  };
}

class Session implements RegistrySession {
  readonly #options: RegistryClientOptions;
  readonly #schemes: Map<string, 'http' | 'https'>;
  readonly #reference: ImageReference;
  readonly #auth: string | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #host: string;
  readonly #insecure: boolean;
  #authorization: string | undefined;

  constructor(
    options: RegistryClientOptions,
    schemes: Map<string, 'http' | 'https'>,
    reference: ImageReference,
    { auth, signal }: FetchOptions,
  ) {
    this.#options = options;
    this.#schemes = schemes;
    this.#reference = reference;
    this.#auth = auth;
    this.#signal = signal;
    this.#host = reference.domain === 'docker.io' ? DOCKER_HUB_HOST : reference.domain;
    this.#insecure =
      isLoopback(this.#host) || options.insecureRegistries.includes(reference.domain);
    const token = parseRegistryAuth(auth).registryToken;
    if (token !== undefined) this.#authorization = `Bearer ${token}`;
  }

  async manifest(
    tagOrDigest = this.#reference.digest ?? this.#reference.tag ?? 'latest',
  ): Promise<{ descriptor: Descriptor; bytes: Uint8Array }> {
    const path = `manifests/${tagOrDigest}`;
    const response = await this.#get(path, { accept: ACCEPT_MANIFESTS }, DOCUMENT_LIMIT_MS);
    if (response.status !== 200) throw await this.#failure(response, tagOrDigest);
    const bytes = await readAll(response, MAX_DOCUMENT_BYTES);
    const digest = `sha256:${this.#options.sha256(bytes)}`;
    const expected = tagOrDigest.startsWith('sha256:')
      ? tagOrDigest
      : response.headers['docker-content-digest'];
    if (expected?.startsWith('sha256:') === true && expected !== digest) {
      throw new SwarmError(
        'dataLoss',
        `manifest verification failed for digest ${expected}: the registry sent ${digest}`,
      );
    }
    const claimed = response.headers['content-type']?.split(';')[0]?.trim();
    const mediaType = mediaTypeOf(bytes, claimed);
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
  }

  async document(descriptor: Descriptor): Promise<Uint8Array> {
    const { body } = await this.#blob(descriptor, 0, DOCUMENT_LIMIT_MS, this.#signal);
    const bytes = await readAll({ body }, MAX_DOCUMENT_BYTES);
    if (`sha256:${this.#options.sha256(bytes)}` !== descriptor.digest) {
      throw new SwarmError('dataLoss', `blob verification failed for digest ${descriptor.digest}`);
    }
    return bytes;
  }

  blob(
    descriptor: Descriptor,
    offset: number,
    signal = this.#signal,
  ): Promise<{ offset: number; body: AsyncIterable<Uint8Array> }> {
    return this.#blob(descriptor, offset, undefined, signal);
  }

  async #blob(
    descriptor: Descriptor,
    offset: number,
    limitMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ offset: number; body: AsyncIterable<Uint8Array> }> {
    const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const response = await this.#get(`blobs/${descriptor.digest}`, headers, limitMs, signal);
    if (response.status === 206) {
      const start = /^bytes (\d{1,15})-/.exec(response.headers['content-range'] ?? '')?.[1];
      const from = Number(start ?? offset);
      // What lies between is nowhere; from the beginning it is sure to come.
      if (from > offset) {
        response.discard();
        return this.#blob(descriptor, 0, limitMs, signal);
      }
      return { offset: from, body: response.body };
    }
    if (response.status === 416 && offset > 0) {
      response.discard();
      return this.#blob(descriptor, 0, limitMs, signal);
    }
    if (response.status !== 200) throw await this.#failure(response, descriptor.digest);
    return { offset: 0, body: response.body };
  }

  async #get(
    path: string,
    headers: Record<string, string>,
    limitMs: number | undefined,
    signal = this.#signal,
  ): Promise<HttpResponse> {
    const target = `/v2/${this.#reference.path}/${path}`;
    const first = await this.#send(target, headers, limitMs, signal);
    if (first.status !== 401) return first;
    const challenges = parseChallenges(first.headers['www-authenticate'] ?? '');
    const authorization = await this.#authorize(challenges, signal);
    if (authorization === undefined) return first;
    first.discard();
    this.#authorization = authorization;
    return this.#send(target, headers, limitMs, signal);
  }

  /** Sends to the registry, finding out whether an insecure one speaks HTTP or HTTPS. */
  async #send(
    path: string,
    headers: Record<string, string>,
    limitMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<HttpResponse> {
    const known = this.#schemes.get(this.#host);
    if (known !== undefined || !this.#insecure) {
      return this.#follow(`${known ?? 'https'}://${this.#host}${path}`, headers, limitMs, signal);
    }
    try {
      const response = await this.#follow(`https://${this.#host}${path}`, headers, limitMs, signal);
      this.#schemes.set(this.#host, 'https');
      return response;
    } catch (error) {
      if (!(error instanceof SwarmError) || error.code !== 'unavailable') throw error;
    }
    const response = await this.#follow(`http://${this.#host}${path}`, headers, limitMs, signal);
    this.#schemes.set(this.#host, 'http');
    return response;
  }

  async #follow(
    start: string,
    headers: Record<string, string>,
    limitMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<HttpResponse> {
    let url = new URL(start);
    const { host } = url;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      // A redirect leads to a store of blobs that has its own, signed addresses: our credentials
      // are none of its business.
      const authorization = url.host === host ? this.#authorization : undefined;
      const response = await this.#options.http.request({
        method: 'GET',
        url: url.href,
        headers: authorization === undefined ? headers : { ...headers, authorization },
        insecure: this.#insecure,
        signal,
        limitMs,
      });
      const { location } = response.headers;
      if (response.status < 300 || response.status >= 400 || location === undefined) {
        const { body } = response;
        return limitMs === undefined
          ? { ...response, body: atLeast(body, this.#options.clock) }
          : response;
      }
      response.discard();
      if (!URL.canParse(location, url.href)) {
        throw new SwarmError('invalid', `registry ${host} redirects to what is no address`);
      }
      url = new URL(location, url);
      if (url.protocol !== 'https:' && !(this.#insecure && url.protocol === 'http:')) {
        throw new SwarmError('denied', `registry ${host} redirects to plain HTTP: ${url.origin}`);
      }
    }
    throw new SwarmError(
      'unavailable',
      `registry ${host} redirects more than ${MAX_REDIRECTS} times`,
    );
  }

  async #authorize(
    challenges: readonly Challenge[],
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    const credentials = parseRegistryAuth(this.#auth);
    const basic =
      credentials.username === undefined
        ? undefined
        : `Basic ${Buffer.from(`${credentials.username}:${credentials.password ?? ''}`).toString('base64')}`;
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) {
      const token = await this.#token(bearer, basic, credentials.identityToken, signal);
      return token === undefined ? undefined : `Bearer ${token}`;
    }
    return challenges.some(({ scheme }) => scheme === 'basic') ? basic : undefined;
  }

  async #token(
    challenge: Challenge,
    basic: string | undefined,
    refreshToken: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    const { realm, service = '' } = challenge.parameters;
    if (realm === undefined || !URL.canParse(realm)) return undefined;
    const url = new URL(realm);
    if (url.protocol !== 'https:' && !(this.#insecure && url.protocol === 'http:')) {
      throw new SwarmError('denied', `registry ${this.#host} asks for a login over plain HTTP`);
    }
    const scope = challenge.parameters.scope ?? `repository:${this.#reference.path}:pull`;
    const request =
      refreshToken === undefined
        ? tokenByGet(url, service, scope, basic, this.#insecure)
        : tokenByRefresh(url, service, scope, refreshToken, this.#insecure);
    const response = await this.#options.http.request({
      ...request,
      signal,
      limitMs: DOCUMENT_LIMIT_MS,
    });
    if (response.status !== 200) {
      if (response.status < 500) throw await this.#failure(response, 'token');
      response.discard();
      throw new SwarmError(
        'unavailable',
        `token server ${url.host} of ${this.#host} answers ${response.status}`,
      );
    }
    const { token, access_token: other } = tokenAnswerOf(await readAll(response, MAX_ERROR_BYTES));
    return token ?? other;
  }

  async #failure(response: HttpResponse, wanted: string): Promise<SwarmError> {
    const detail = await errorText(response);
    const name = familiarRepository(this.#reference);
    const { status } = response;
    if (status === 401 || status === 403) {
      const reason = detail.text || 'denied: requested access to the resource is denied';
      return new SwarmError(
        'notFound',
        `pull access denied for ${name}, repository does not exist or may require 'docker login': ${reason}`,
      );
    }
    if (status === 404) {
      const text = detail.text || 'manifest unknown: manifest unknown';
      if (detail.code === 'NAME_UNKNOWN') {
        return new SwarmError('notFound', `repository ${name} not found: ${text}`);
      }
      const separator = wanted.startsWith('sha256:') ? '@' : ':';
      return new SwarmError(
        'notFound',
        `manifest for ${name}${separator}${wanted} not found: ${text}`,
      );
    }
    const code: ErrorCode = status === 429 || status >= 500 ? 'unavailable' : 'invalid';
    return new SwarmError(
      code,
      `registry ${this.#host} answers ${status} for ${name}${detail.text === '' ? '' : `: ${detail.text}`}`,
    );
  }
}

function tokenByGet(
  realm: URL,
  service: string,
  scope: string,
  basic: string | undefined,
  insecure: boolean,
) {
  const url = new URL(realm);
  if (service !== '') url.searchParams.set('service', service);
  url.searchParams.set('scope', scope);
  url.searchParams.set('client_id', CLIENT_ID);
  const headers: Record<string, string> = basic === undefined ? {} : { authorization: basic };
  return { method: 'GET', url: url.href, headers, insecure } as const;
}

function tokenByRefresh(
  realm: URL,
  service: string,
  scope: string,
  refreshToken: string,
  insecure: boolean,
) {
  const body = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    service,
    scope,
    client_id: CLIENT_ID,
  }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return { method: 'POST', url: realm.href, headers, body, insecure } as const;
}

async function readAll(
  response: Pick<HttpResponse, 'body'>,
  maxBytes: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new SwarmError('invalid', `the registry's answer is larger than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function errorText(response: HttpResponse): Promise<{ code: string; text: string }> {
  try {
    const { errors } = registryErrorOf(await readAll(response, MAX_ERROR_BYTES));
    const [first] = errors;
    if (first === undefined) return { code: '', text: '' };
    const words = first.code.toLowerCase().replaceAll('_', ' ');
    return { code: first.code, text: `${words}: ${first.message ?? ''}` };
  } catch {
    return { code: '', text: '' };
  }
}

/** Docker's rule: registries on the machine itself may speak plain HTTP. */
function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}
