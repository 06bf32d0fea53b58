// Names of images: parsed from the grammar of the distribution specification and normalised the way
// Docker's users expect (`nginx` is docker.io/library/nginx:latest).
import { SwarmError } from '../../base/index.ts';

/** A normalised name. `digest` wins over `tag` where both are given. */
export interface ImageReference {
  /** Registry, with its port if any: "docker.io", "localhost:5000". */
  readonly domain: string;
  /** Repository within the registry: "library/nginx". */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
}

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DEFAULT_DOMAIN = 'index.docker.io';
const OFFICIAL_PREFIX = 'library/';
const DEFAULT_TAG = 'latest';
/** Longest repository name, domain included, as the specification sets it. */
const MAX_NAME_LENGTH = 255;

/** With tag and digest. */
const MAX_TEXT_LENGTH = 1024;

const DOMAIN =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[a-f0-9]{64}$/;
const HEX_ID = /^[a-f0-9]{64}$/;

/**
 * Parses and normalises a name; without tag and digest it gets the tag `latest`. Throws `invalid`
 * with Docker's wording.
 */
export function parseReference(text: string): ImageReference {
  const fail = (detail = ''): never => {
    const shown = JSON.stringify(text.slice(0, MAX_TEXT_LENGTH));
    throw new SwarmError('invalid', `invalid reference format${detail}: ${shown}`);
  };
  if (text.length > MAX_TEXT_LENGTH) fail(': it is too long');
  if (HEX_ID.test(text)) {
    throw new SwarmError(
      'invalid',
      `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`,
    );
  }
  const at = text.indexOf('@');
  const digest = at >= 0 ? text.slice(at + 1) : undefined;
  if (digest !== undefined && !DIGEST.test(digest)) fail();
  const rest = at >= 0 ? text.slice(0, at) : text;
  const colon = rest.lastIndexOf(':');
  const hasTag = colon > rest.lastIndexOf('/');
  const tag = hasTag ? rest.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag)) fail();
  const { domain, path } = splitDomain(hasTag ? rest.slice(0, colon) : rest);
  if (path !== path.toLowerCase()) fail(': repository name must be lowercase');
  if (!DOMAIN.test(domain) || !PATH.test(path)) fail();
  if (domain.length + 1 + path.length > MAX_NAME_LENGTH) {
    fail(`: repository name must not be more than ${MAX_NAME_LENGTH} characters`);
  }
  return {
    domain,
    path,
    ...(tag !== undefined ? { tag } : digest === undefined ? { tag: DEFAULT_TAG } : {}),
    ...(digest !== undefined ? { digest } : {}),
  };
}

/** The same; undefined for what is no name. */
export function tryParse(text: string): ImageReference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isDomain = /[.:A-Z]/.test(first) || first === 'localhost';
  const domain = isDomain ? first : DEFAULT_DOMAIN;
  const path = isDomain ? name.slice(slash + 1) : name;
  if (domain !== DEFAULT_DOMAIN && domain !== LEGACY_DEFAULT_DOMAIN) return { domain, path };
  return {
    domain: DEFAULT_DOMAIN,
    path: path.includes('/') || path === '' ? path : OFFICIAL_PREFIX + path,
  };
}

/** "docker.io/library/nginx". */
export function repositoryName(reference: ImageReference): string {
  return `${reference.domain}/${reference.path}`;
}

/**
 * The one spelling of a reference, as image records are named: the digest if it has one, else
 * the tag.
 */
export function canonicalName(reference: ImageReference): string {
  const name = repositoryName(reference);
  if (reference.digest !== undefined) return `${name}@${reference.digest}`;
  return `${name}:${reference.tag ?? DEFAULT_TAG}`;
}

/** How Docker shows a repository: "nginx", "user/app", "registry.example/app". */
export function familiarRepository(reference: ImageReference): string {
  if (reference.domain !== DEFAULT_DOMAIN) return repositoryName(reference);
  return reference.path.startsWith(OFFICIAL_PREFIX)
    ? reference.path.slice(OFFICIAL_PREFIX.length)
    : reference.path;
}

/** How Docker shows a reference: "nginx:latest", "nginx@sha256:…". */
export function familiarName(reference: ImageReference): string {
  const name = familiarRepository(reference);
  if (reference.digest !== undefined) return `${name}@${reference.digest}`;
  return `${name}:${reference.tag ?? DEFAULT_TAG}`;
}

/** True for "sha256:" and 64 hex digits. */
export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}
