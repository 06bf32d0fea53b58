// /swarm: init, join, leave, inspect, update.
import { SwarmError } from '../../base/index.ts';
import { DEFAULT_CLUSTER_SPEC } from '../../manager/index.ts';
import {
  validateAddressPools,
  validateClusterSpec,
  validateDataPathPort,
  type ClusterSpec,
} from '../../model/index.ts';
import {
  clusterToApi,
  parseClusterSpec,
  parseInit,
  parseJoin,
  unsupported,
} from '../convert/index.ts';
import { empty, ok, type Reply, type Request, type Route } from '../http/index.ts';
import { flag, manager, refuseParameters, versionOf } from '../requests/index.ts';

export const swarmRoutes: readonly Route[] = [
  { method: 'POST', pattern: '/swarm/init', permission: 'swarm.write', handler: init },
  { method: 'POST', pattern: '/swarm/join', permission: 'swarm.write', handler: join },
  { method: 'POST', pattern: '/swarm/leave', permission: 'swarm.write', handler: leave },
  { method: 'GET', pattern: '/swarm', permission: 'swarm.read', handler: inspect },
  { method: 'POST', pattern: '/swarm/update', permission: 'swarm.write', handler: update },
  { method: 'GET', pattern: '/swarm/unlockkey', permission: 'swarm.write', handler: unlockKey },
];

async function init(request: Request): Promise<Reply> {
  const body = parseInit(await request.json());
  if (body.AutoLockManagers) {
    throw unsupported('AutoLockManagers', true, 'leave it out');
  }
  const spec = withoutZeroes(body.Spec);
  validateClusterSpec(merged(DEFAULT_CLUSTER_SPEC, spec));
  refuseRaftFigures(DEFAULT_CLUSTER_SPEC.Raft, spec.Raft);
  validateAddressPools(body.DefaultAddrPool, body.SubnetSize);
  validateDataPathPort(body.DataPathPort);
  const nodeId = await request.backend.init({
    listenAddr: body.ListenAddr,
    advertiseAddr: body.AdvertiseAddr,
    dataPathAddr: body.DataPathAddr,
    dataPathPort: body.DataPathPort,
    addressPools: body.DefaultAddrPool.map((pool) => pool.trim()),
    subnetSize: body.SubnetSize,
    availability: body.Availability,
    forceNewCluster: body.ForceNewCluster,
    spec,
  });
  return ok(JSON.stringify(nodeId));
}

/** Of these a zero is a figure like any other: Docker has them as pointers. */
const ZERO_COUNTS = ['TaskHistoryRetentionLimit', 'KeepOldSnapshots'];

/** Another zero, or an empty group, means what there is: the default, or the setting in force. */
function withoutZeroes(spec: Partial<ClusterSpec>): Partial<ClusterSpec> {
  const entries = Object.entries(spec).flatMap(([key, value]) => {
    if (typeof value !== 'object') return value === '' ? [] : [[key, value]];
    if (key === 'Labels') return [[key, value]];
    const filled = Object.entries(value).filter(
      ([name, inner]) => ZERO_COUNTS.includes(name) || (inner !== 0 && inner !== ''),
    );
    return filled.length > 0 ? [[key, Object.fromEntries(filled)]] : [];
  });
  return Object.fromEntries(entries) as Partial<ClusterSpec>;
}

/** What is shown is what is in force: these are constants of the program. */
function refuseRaftFigures(
  before: ClusterSpec['Raft'],
  requested: Partial<ClusterSpec['Raft']> = {},
): void {
  for (const [name, value] of Object.entries(requested)) {
    const known = before[name as keyof ClusterSpec['Raft']];
    if (value === known) continue;
    throw unsupported(`Raft.${name}`, value, `leave it at ${known}`);
  }
}

function merged(before: ClusterSpec, requested: Partial<ClusterSpec>): ClusterSpec {
  return {
    Name: requested.Name ?? before.Name,
    Labels: requested.Labels ?? before.Labels ?? {},
    Orchestration: { ...before.Orchestration, ...requested.Orchestration },
    Raft: { ...before.Raft, ...requested.Raft },
    Dispatcher: { ...before.Dispatcher, ...requested.Dispatcher },
    CAConfig: { ...before.CAConfig, ...requested.CAConfig },
    EncryptionConfig: { ...before.EncryptionConfig, ...requested.EncryptionConfig },
  };
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
  const stored = backend.queries.cluster;
  if (stored === undefined)
    throw new SwarmError('unavailable', 'the cluster is being set up, try again');
  const { worker, manager: managerToken } = stored.joinTokens;
  return ok({
    ...clusterToApi(stored, cluster.tls),
    JoinTokens: { Worker: worker, Manager: managerToken },
  });
}

async function update(request: Request): Promise<Reply> {
  refuseParameters(request, { rotateManagerUnlockKey: 'managers are not locked' });
  const { manager: backend } = manager(request);
  const stored = backend.queries.cluster;
  if (stored === undefined)
    throw new SwarmError('unavailable', 'the cluster is being set up, try again');
  const requested = withoutZeroes(parseClusterSpec(await request.json()));
  refuseRaftFigures(stored.spec.Raft, requested.Raft);
  await backend.submit(request.principal, 'cluster.update', {
    version: versionOf(request),
    spec: merged(stored.spec, requested),
    rotateWorkerToken: flag(request, 'rotateWorkerToken'),
    rotateManagerToken: flag(request, 'rotateManagerToken'),
  });
  return empty();
}

function unlockKey(request: Request): Reply {
  manager(request);
  return ok({ UnlockKey: '' });
}
