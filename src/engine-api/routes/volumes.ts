// /volumes: those of this machine.
import { flag } from '../requests/index.ts';
import { randomBytes } from 'node:crypto';
import { SwarmError } from '../../base/index.ts';
import type { VolumeInfo } from '../backend/index.ts';
import { parseVolume, timeText } from '../convert/index.ts';
import {
  created,
  empty,
  nameMatcher,
  ok,
  parseFilters,
  passes,
  passesLabels,
  type Reply,
  type Request,
  type Route,
} from '../http/index.ts';

/** As Docker names volumes that have no name. */
const ANONYMOUS_BYTES = 32;
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

export const volumeRoutes: readonly Route[] = [
  { method: 'GET', pattern: '/volumes', permission: 'volume.read', handler: list },
  { method: 'POST', pattern: '/volumes/create', permission: 'volume.write', handler: create },
  {
    method: 'GET',
    pattern: '/volumes/{name:volume}',
    permission: 'volume.read',
    handler: inspect,
  },
  {
    method: 'DELETE',
    pattern: '/volumes/{name:volume}',
    permission: 'volume.write',
    handler: remove,
  },
];

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

async function list({ backend, query }: Request): Promise<Reply> {
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

async function create(request: Request): Promise<Reply> {
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

async function inspect({ backend, params }: Request): Promise<Reply> {
  const name = params['name'] ?? '';
  const volume = (await backend.volumes.list()).find((one) => one.name === name);
  if (volume === undefined) throw new SwarmError('notFound', `get ${name}: no such volume`);
  return ok(volumeToApi(volume));
}

/** By force also one that is gone already; one in use stays, as in Docker. */
async function remove(request: Request): Promise<Reply> {
  try {
    await request.backend.volumes.remove(request.params['name'] ?? '');
  } catch (error) {
    const gone = error instanceof SwarmError && error.code === 'notFound';
    if (!gone || !flag(request, 'force')) throw error;
  }
  return empty(204);
}
