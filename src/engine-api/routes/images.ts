// /images, /distribution, /auth and /volumes: the engine of this machine alone.
import type { ServerResponse } from 'node:http';
import { SwarmError, messageOf } from '../../base/index.ts';
import { nameMatcher, parseFilters, passes, passesLabels } from '../filters.ts';
import { created, empty, ok, type Reply, type Request, type Route } from '../router.ts';
import type { ImageProgress, VolumeInfo } from '../backend.ts';
import { timeText } from '../convert/objects.ts';
import { parseVolume } from '../convert/parse.ts';

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

async function list({ backend, query }: Request): Promise<Reply> {
  const filters = parseFilters(query.get('filters'), [
    'reference',
    'label',
    'dangling',
    'before',
    'since',
    'until',
  ]);
  const images = (await backend.images.list()).filter(
    (image) =>
      passes(filters, 'reference', (reference) =>
        image.tags.some((one) => one === reference || one.split(':')[0] === reference),
      ) &&
      passes(filters, 'dangling', (value) => (image.tags.length === 0) === (value === 'true')) &&
      passesLabels(filters, 'label', image.labels),
  );
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

/** Progress goes out line by line; a failure comes in-band, since the status is sent already. */
async function streamed(
  response: ServerResponse,
  work: (progress: (line: ImageProgress) => void) => Promise<void>,
): Promise<Reply> {
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.flushHeaders();
  const write = (line: object): void => {
    response.write(`${JSON.stringify(line)}\r\n`);
  };
  try {
    await work(write);
  } catch (error) {
    const code = error instanceof SwarmError ? error.httpStatus : 500;
    write({ errorDetail: { code, message: messageOf(error) }, error: messageOf(error) });
  }
  response.end();
  return 'handled';
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

function load({ backend, raw }: Request, response: ServerResponse): Promise<Reply> {
  return streamed(response, (progress) => backend.images.load(raw, progress));
}

async function inspect({ backend, params }: Request): Promise<Reply> {
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

async function remove({ backend, params }: Request): Promise<Reply> {
  return ok(await backend.images.remove(params['name'] ?? ''));
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
    Options: null,
  };
}

async function listVolumes({ backend, query }: Request): Promise<Reply> {
  const filters = parseFilters(query.get('filters'), ['name', 'label', 'driver', 'dangling']);
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
  const { Name = '', Driver = '', Labels = {} } = parseVolume(await request.json());
  if (Driver !== '' && Driver !== 'local') {
    throw new SwarmError(
      'notFound',
      `volume driver ${JSON.stringify(Driver)} is unknown: use local`,
    );
  }
  if (Name === '') throw new SwarmError('invalid', 'the volume needs a name');
  return created(volumeToApi(await request.backend.volumes.create(Name, Labels)));
}

async function inspectVolume({ backend, params }: Request): Promise<Reply> {
  const name = params['name'] ?? '';
  const volume = (await backend.volumes.list()).find((one) => one.name === name);
  if (volume === undefined) throw new SwarmError('notFound', `get ${name}: no such volume`);
  return ok(volumeToApi(volume));
}

async function removeVolume({ backend, params }: Request): Promise<Reply> {
  await backend.volumes.remove(params['name'] ?? '');
  return empty(204);
}
