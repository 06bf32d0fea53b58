// /images, /distribution and /volumes: the engine of this machine alone.
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { SwarmError, messageOf } from '../../base/index.ts';
import {
  checkValues,
  created,
  empty,
  matchesGlob,
  nameMatcher,
  ok,
  parseFilters,
  passes,
  passesLabels,
  type Filters,
  type Reply,
  type Request,
  type Route,
} from '../http/index.ts';
import type { ImageSummary, VolumeInfo } from '../backend/index.ts';
import { checkPlatform, flag, refuseParameters } from './context.ts';
import { parseTime } from './log-stream.ts';
import { bodyOf, streamed } from './progress-lines.ts';
import { parseVolume, timeText } from '../convert/index.ts';

/** As Docker names volumes that have no name. */
const ANONYMOUS_BYTES = 32;
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';
const SHORT_ID = 12;

export const imageRoutes: readonly Route[] = [
  { method: 'GET', pattern: '/images/json', handler: list },
  { method: 'POST', pattern: '/images/create', handler: pull },
  { method: 'POST', pattern: '/images/load', handler: load },
  { method: 'GET', pattern: '/images/{name:image}/json', handler: inspect },
  { method: 'POST', pattern: '/images/{name:image}/tag', handler: tag },
  { method: 'DELETE', pattern: '/images/{name:image}', handler: remove },
  { method: 'GET', pattern: '/distribution/{name:image}/json', handler: distribution },
  { method: 'GET', pattern: '/volumes', handler: listVolumes },
  { method: 'POST', pattern: '/volumes/create', handler: createVolume },
  { method: 'GET', pattern: '/volumes/{name:volume}', handler: inspectVolume },
  { method: 'DELETE', pattern: '/volumes/{name:volume}', handler: removeVolume },
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

function volumeToApi(volume: VolumeInfo): object {
  return {
    Name: volume.name,
    Driver: 'local',
    Mountpoint: volume.mountpoint,
    CreatedAt: timeText(volume.createdAt),
    Labels: volume.labels,
    Scope: 'local',
    Options: Object.keys(volume.options).length > 0 ? volume.options : null,
  };
}

async function listVolumes({ backend, query }: Request): Promise<Reply> {
  const filters = parseFilters(query.get('filters'), ['name', 'label', 'driver'], ['dangling']);
  const hasName = nameMatcher(filters, 'name');
  const volumes = (await backend.volumes.list()).filter(
    (volume) =>
      hasName(volume.name) &&
      passes(filters, 'driver', (driver) => driver === 'local') &&
      passesLabels(filters, 'label', volume.labels),
  );
  return ok({ Volumes: volumes.map(volumeToApi), Warnings: null });
}

async function createVolume(request: Request): Promise<Reply> {
  const body = parseVolume(await request.json());
  const { Name = '', Driver = '', DriverOpts = {}, Labels = {} } = body;
  if (Driver !== '' && Driver !== 'local') {
    throw new SwarmError(
      'notFound',
      `volume driver ${JSON.stringify(Driver)} is unknown: use local`,
    );
  }
  const name = Name || randomBytes(ANONYMOUS_BYTES).toString('hex');
  const labels = Name === '' ? { [ANONYMOUS_LABEL]: '', ...Labels } : Labels;
  return created(volumeToApi(await request.backend.volumes.create(name, labels, DriverOpts)));
}

async function inspectVolume({ backend, params }: Request): Promise<Reply> {
  const name = params['name'] ?? '';
  const volume = (await backend.volumes.list()).find((one) => one.name === name);
  if (volume === undefined) throw new SwarmError('notFound', `get ${name}: no such volume`);
  return ok(volumeToApi(volume));
}

/** By force also one that is gone already; one in use stays, as in Docker. */
async function removeVolume(request: Request): Promise<Reply> {
  try {
    await request.backend.volumes.remove(request.params['name'] ?? '');
  } catch (error) {
    const gone = error instanceof SwarmError && error.code === 'notFound';
    if (!gone || !flag(request, 'force')) throw error;
  }
  return empty(204);
}
