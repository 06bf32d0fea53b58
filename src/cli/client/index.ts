// The CLI's side of the Engine API.
export { ApiClient, ApiError } from './api-client.ts';
export type { Context } from './context.ts';
export { pinnedImage, withDigest } from './image-digest.ts';
export { networkId, nodeId, nodeNames, serviceNames } from './names.ts';
export { CLI_VERSION } from './version.ts';
export type {
  Loose,
  WireInfo,
  WireMeta,
  WireNetwork,
  WireNode,
  WirePort,
  WireService,
  WireServiceSpec,
  WireSwarm,
  WireTask,
} from './wire.ts';
