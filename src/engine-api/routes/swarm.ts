// /swarm: init, join, leave, inspect, update.
import { SwarmError } from '../../base/index.ts';
import type { ClusterSpec } from '../../model/index.ts';
import { clusterToApi } from '../convert/objects.ts';
import { parseClusterSpec, parseInit, parseJoin } from '../convert/parse.ts';
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

async function init(request: Request): Promise<Reply> {
  const body = parseInit(await request.json());
  if (body.AutoLockManagers) {
    throw new SwarmError('unimplemented', 'autolock is not available in this release');
  }
  const nodeId = await request.backend.init({
    listenAddr: body.ListenAddr,
    advertiseAddr: body.AdvertiseAddr,
    dataPathAddr: body.DataPathAddr,
    dataPathPort: body.DataPathPort,
    addressPools: body.DefaultAddrPool,
    subnetSize: body.SubnetSize,
    availability: body.Availability,
    forceNewCluster: body.ForceNewCluster,
    spec: withoutZeroes(body.Spec),
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
  const body = parseJoin(await request.json());
  await request.backend.join({
    listenAddr: body.ListenAddr,
    advertiseAddr: body.AdvertiseAddr,
    dataPathAddr: body.DataPathAddr,
    remoteAddrs: body.RemoteAddrs,
    joinToken: body.JoinToken,
    availability: body.Availability,
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
