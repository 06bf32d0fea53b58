// /images and /distribution: the engine of this machine alone.
import type { ServerResponse } from 'node:http';
import { SwarmError, messageOf } from '../../base/index.ts';
import {
  checkValues,
  empty,
  matchesGlob,
  ok,
  parseFilters,
  passes,
  passesLabels,
  type Filters,
  type Reply,
  type Request,
  type Route,
} from '../http/index.ts';
import type { ImageSummary } from '../backend/index.ts';
import { checkPlatform, flag, refuseParameters } from '../requests/index.ts';
import { bodyOf, parseTime, streamed } from '../streams/index.ts';

const SHORT_ID = 12;

export const imageRoutes: readonly Route[] = [
  { method: 'GET', pattern: '/images/json', permission: 'image.read', handler: list },
  { method: 'POST', pattern: '/images/create', permission: 'image.write', handler: pull },
  { method: 'POST', pattern: '/images/load', permission: 'image.write', handler: load },
  {
    method: 'GET',
    pattern: '/images/{name:image}/json',
    permission: 'image.read',
    handler: inspect,
  },
  { method: 'POST', pattern: '/images/{name:image}/tag', permission: 'image.write', handler: tag },
  { method: 'DELETE', pattern: '/images/{name:image}', permission: 'image.write', handler: remove },
  {
    method: 'GET',
    pattern: '/distribution/{name:image}/json',
    permission: 'image.read',
    handler: distribution,
  },
];

const IMAGE_FILTERS = ['reference', 'label', 'dangling', 'before', 'since', 'until'];

/** All are shown with their digests, and none is in between, so `all` and `digests` change nothing. */
async function list(request: Request): Promise<Reply> {
  const { backend, query } = request;
  refuseParameters(request, {
    manifests: 'an image is of one platform here',
    'shared-size': 'leave it out',
  });
  const filters = parseFilters(query.get('filters'), IMAGE_FILTERS);
  checkValues(filters, 'dangling', ['true', 'false', '1', '0']);
  for (const text of filters.get('until') ?? []) parseTime('until', text);
  const all = await backend.images.list();
  const images = all.filter((image) => imageMatches(image, filters, all));
  return ok(
    images.map((image) => ({
      Id: image.id,
      ParentId: '',
      RepoTags: image.tags,
      RepoDigests: image.digests,
      Created: Math.floor(image.createdAt / 1000),
      Size: image.size,
      SharedSize: -1,
      VirtualSize: image.size,
      Labels: image.labels,
      Containers: -1,
    })),
  );
}

function imageMatches(
  image: ImageSummary,
  filters: Filters,
  all: readonly ImageSummary[],
): boolean {
  const timeOf = (reference: string): number => namedImage(all, reference).createdAt;
  const isDangling = image.tags.length === 0;
  return (
    passes(filters, 'reference', (reference) => image.tags.some(matcherOf(reference))) &&
    passes(filters, 'dangling', (value) => isDangling === ['true', '1'].includes(value)) &&
    passes(filters, 'before', (reference) => image.createdAt < timeOf(reference)) &&
    passes(filters, 'since', (reference) => image.createdAt > timeOf(reference)) &&
    passes(filters, 'until', (text) => image.createdAt < parseTime('until', text)) &&
    passesLabels(filters, 'label', image.labels)
  );
}

/** A pattern of shells: "*" and "?" stop at a slash. With a tag it is for the whole name. */
function matcherOf(reference: string): (tag: string) => boolean {
  const hasTag = reference.includes(':', reference.lastIndexOf('/') + 1);
  return (tag) => {
    const at = tag.lastIndexOf(':');
    const name = hasTag ? tag : tag.slice(0, at < tag.lastIndexOf('/') ? undefined : at);
    return matchesGlob(name, reference);
  };
}

function namedImage(all: readonly ImageSummary[], reference: string): ImageSummary {
  const found = all.find(
    ({ id, tags }) =>
      tags.includes(reference) ||
      tags.includes(`${reference}:latest`) ||
      (reference.length >= SHORT_ID && id.replace('sha256:', '').startsWith(reference)),
  );
  if (found !== undefined) return found;
  throw new SwarmError('notFound', `No such image: ${reference}`);
}

function pull(request: Request, response: ServerResponse): Promise<Reply> {
  const { backend, query } = request;
  const name = query.get('fromImage') ?? '';
  if (name === '') throw new SwarmError('unimplemented', 'only fromImage is supported');
  const tagOrDigest = query.get('tag') ?? '';
  const reference =
    tagOrDigest === '' ? name : `${name}${tagOrDigest.includes(':') ? '@' : ':'}${tagOrDigest}`;
  const auth = request.header('x-registry-auth');
  const platform = query.get('platform') ?? undefined;
  return streamed(response, (progress) =>
    backend.images.pull(reference, { auth, platform }, progress),
  );
}

function load(request: Request, response: ServerResponse): Promise<Reply> {
  const { backend, raw } = request;
  checkPlatform(request.query.get('platform') ?? '', backend);
  return streamed(response, (progress) => backend.images.load(bodyOf(raw), progress));
}

async function inspect(request: Request): Promise<Reply> {
  const { backend, params, query } = request;
  refuseParameters(request, { manifests: 'an image is of one platform here' });
  checkPlatform(query.get('platform') ?? '', backend);
  return ok(await backend.images.inspect(params['name'] ?? ''));
}

async function tag({ backend, params, query }: Request): Promise<Reply> {
  const repository = query.get('repo') ?? '';
  if (repository === '') throw new SwarmError('invalid', 'repo is required');
  const name = query.get('tag') ?? '';
  await backend.images.tag(
    params['name'] ?? '',
    name === '' ? repository : `${repository}:${name}`,
  );
  return empty(201);
}

/** There are no parents to keep: `noprune` changes nothing. */
async function remove(request: Request): Promise<Reply> {
  const { backend, params } = request;
  refuseParameters(request, { platforms: 'an image is of one platform here' });
  try {
    return ok(await backend.images.remove(params['name'] ?? ''));
  } catch (error) {
    const held = error instanceof SwarmError && error.code === 'conflict';
    if (!held || !flag(request, 'force')) throw error;
    throw new SwarmError(
      'unimplemented',
      `parameter force is not available in this release: ${messageOf(error)}`,
    );
  }
}

async function distribution(request: Request): Promise<Reply> {
  const { backend, params } = request;
  const auth = request.header('x-registry-auth');
  return ok(await backend.images.distribution(params['name'] ?? '', auth));
}
