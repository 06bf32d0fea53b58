// Specs for tests, with everything that a test does not care about filled in.
import type { ClusterSpec, ServiceSpec } from '../../src/model/index.ts';

export function aServiceSpec(
  overrides: Partial<ServiceSpec> & { replicas?: number } = {},
): ServiceSpec {
  const { replicas, ...spec } = overrides;
  return {
    Name: 'web',
    Mode: { Replicated: { Replicas: replicas ?? 1 } },
    TaskTemplate: { ContainerSpec: { Image: 'hello:1' } },
    ...spec,
  };
}

export function withImage(spec: ServiceSpec, Image: string): ServiceSpec {
  const TaskTemplate = {
    ...spec.TaskTemplate,
    ContainerSpec: { ...spec.TaskTemplate.ContainerSpec, Image },
  };
  return { ...spec, TaskTemplate };
}

export function aClusterSpec(): ClusterSpec {
  return {
    Name: 'default',
    Labels: {},
    Orchestration: { TaskHistoryRetentionLimit: 5 },
    Raft: {
      SnapshotInterval: 10_000,
      KeepOldSnapshots: 0,
      LogEntriesForSlowFollowers: 500,
      ElectionTick: 10,
      HeartbeatTick: 1,
    },
    Dispatcher: { HeartbeatPeriod: 5e8 },
    CAConfig: { NodeCertExpiry: 7_776_000e9 },
    EncryptionConfig: { AutoLockManagers: false },
  };
}
