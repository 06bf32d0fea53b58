// Docker's Engine API over HTTP.
export type {
  ClusterState,
  EngineBackend,
  EngineFacts,
  ImageBackend,
  ImageProgress,
  ImageSummary,
  InitRequest,
  JoinRequest,
  RestoreRequest,
  LogLine,
  LogQuery,
  ManagerBackend,
  VolumeBackend,
  ContainerBackend,
  StopRequest,
  VolumeInfo,
} from './backend/index.ts';
export { EngineApiServer } from './server.ts';
export { API_VERSION } from './http/index.ts';
