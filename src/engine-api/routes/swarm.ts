// /swarm: init, join, leave, inspect, update.
import { SwarmError } from '../../base/index.ts';
import type { ClusterSpec } from '../../model/index.ts';
import { clusterToApi } from '../convert/objects.ts';
import { parseClusterSpec } from '../convert/parse.ts';
import { empty, ok, type Reply, type Request, type Route } from '../router.ts';
import { flag, manager, versionOf } from './context.ts';

export const swarmRoutes: readonly Route[] = [
  { method: 'POST', pattern: '/swarm/init', handler: init },
  { method: 'POST', pattern: '/swarm/join', handler: join },
  { method: 'POST', pattern: '/swarm/leave', handler: leave },
  { method: 'GET', pattern: '/swarm', handler: inspect },
  { method: 'POST', pattern: '/swarm/update', handler: update },
  { method: 'GET', pattern: '/swarm/unlockkey', handler: unlockKey },
];

type Body = Readonly<Record<string, unknown>>;

const text = (body: Body, key: string): string => {
  const value = body[key] ?? '';
  if (typeof value !== 'string') throw new SwarmError('invalid', `${key} must be a string`);
  return value;
};

const number = (body: Body, key: string): number => {
  const value = body[key] ?? 0;
  if (typeof value !== 'number') throw new SwarmError('invalid', `${key} must be a number`);
  return value;
};

const list = (body: Body, key: string): readonly string[] => {
  const value = body[key] ?? [];
  if (!Array.isArray(value) || value.some((one) => typeof one !== 'string')) {
    throw new SwarmError('invalid', `${key} must be a list of strings`);
  }
  return value;
};

function availability(body: Body): 'active' | 'pause' | 'drain' {
  const value = text(body, 'Availability') || 'active';
  if (value === 'active' || value === 'pause' || value === 'drain') return value;
  throw new SwarmError(
    'invalid',
    `invalid Availability ${JSON.stringify(value)}: use active, pause or drain`,
  );
}

async function init(request: Request): Promise<Reply> {
  const body = await request.json();
  if (body['AutoLockManagers'] === true) {
    throw new SwarmError('unimplemented', 'autolock is not available in this release');
  }
  const nodeId = await request.backend.init({
    listenAddr: text(body, 'ListenAddr'),
    advertiseAddr: text(body, 'AdvertiseAddr'),
    dataPathAddr: text(body, 'DataPathAddr'),
    dataPathPort: number(body, 'DataPathPort'),
    addressPools: list(body, 'DefaultAddrPool'),
    subnetSize: number(body, 'SubnetSize'),
    availability: availability(body),
    forceNewCluster: body['ForceNewCluster'] === true,
    spec: withoutZeroes(parseClusterSpec(body['Spec'] ?? {})),
  });
  return ok(JSON.stringify(nodeId));
}

/** A zero or an empty group means the server's default. */
function withoutZeroes(spec: Partial<ClusterSpec>): Partial<ClusterSpec> {
  const entries = Object.entries(spec).flatMap(([key, value]) => {
    if (typeof value !== 'object') return [];
    const filled = Object.entries(value).filter(
      ([, inner]) => inner !== 0 && inner !== '' && inner !== null,
    );
    return filled.length > 0 ? [[key, Object.fromEntries(filled)]] : [];
  });
  return Object.fromEntries(entries) as Partial<ClusterSpec>;
}

async function join(request: Request): Promise<Reply> {
  const body = await request.json();
  await request.backend.join({
    listenAddr: text(body, 'ListenAddr'),
    advertiseAddr: text(body, 'AdvertiseAddr'),
    dataPathAddr: text(body, 'DataPathAddr'),
    remoteAddrs: list(body, 'RemoteAddrs'),
    joinToken: text(body, 'JoinToken'),
    availability: availability(body),
  });
  return empty();
}

async function leave(request: Request): Promise<Reply> {
  await request.backend.leave(flag(request, 'force'));
  return empty();
}

function inspect(request: Request): Reply {
  const { cluster, manager: backend } = manager(request);
  const stored = backend.view.cluster;
  if (stored === undefined)
    throw new SwarmError('unavailable', 'the cluster is being set up, try again');
  const { worker, manager: managerToken } = stored.joinTokens;
  return ok({
    ...clusterToApi(stored, cluster.tls),
    JoinTokens: { Worker: worker, Manager: managerToken },
  });
}

async function update(request: Request): Promise<Reply> {
  const { manager: backend } = manager(request);
  const stored = backend.view.cluster;
  if (stored === undefined)
    throw new SwarmError('unavailable', 'the cluster is being set up, try again');
  const wish = parseClusterSpec(await request.json());
  const spec: ClusterSpec = {
    Name: wish.Name ?? stored.spec.Name,
    Labels: wish.Labels ?? stored.spec.Labels ?? {},
    Orchestration: { ...stored.spec.Orchestration, ...wish.Orchestration },
    Raft: { ...stored.spec.Raft, ...wish.Raft },
    Dispatcher: { ...stored.spec.Dispatcher, ...wish.Dispatcher },
    CAConfig: { ...stored.spec.CAConfig, ...wish.CAConfig },
    EncryptionConfig: { ...stored.spec.EncryptionConfig, ...wish.EncryptionConfig },
  };
  await backend.call('cluster.update', {
    version: versionOf(request),
    spec,
    rotateWorkerToken: flag(request, 'rotateWorkerToken'),
    rotateManagerToken: flag(request, 'rotateManagerToken'),
  });
  return empty();
}

function unlockKey(request: Request): Reply {
  manager(request);
  return ok({ UnlockKey: '' });
}
