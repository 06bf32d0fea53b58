// The data plane: one routed VXLAN network per host, without IPVS (docs/design/overlay.md).
export { createOverlay, type OverlayOptions } from './create-overlay.ts';
export {
  HOST,
  LINK_DOWN,
  PROBE_MARK,
  keyOf,
  textOf,
  type Address,
  type Fingerprint,
  type FlowTarget,
  type ForwardingEntry,
  type HostNetwork,
  type HostTools,
  type Kernel,
  type KernelObject,
  type KernelOp,
  type Link,
  type Neighbour,
  type OpFailure,
  type PortClaim,
  type Route,
  type Rule,
  type Sysctl,
  type ToolResult,
  type TraceProbes,
  type UnderlayDevice,
} from './kernel/index.ts';
export type { Overlay, OverlayProblem, OverlayState, TaskNamespace } from './contract/index.ts';
export {
  MAX_LINE_BYTES,
  parseReply,
  type ResolverLauncher,
  type ResolverReply,
  type ResolverRequest,
} from '../resolver/protocol/index.ts';
