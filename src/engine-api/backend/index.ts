// What the API needs from the daemon.
export type {
  ClusterState,
  ContainerBackend,
  EngineBackend,
  EngineFacts,
  ImageBackend,
  ImageProgress,
  ImageSummary,
  InitRequest,
  JoinRequest,
  LogLine,
  LogQuery,
  ManagerBackend,
  RestoreRequest,
  StopRequest,
  VolumeBackend,
  VolumeInfo,
} from './backend.ts';
