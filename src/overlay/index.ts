// The data plane: one routed VXLAN network per host, without IPVS (docs/design/overlay.md).
export { createOverlay, type OverlayOptions } from './create-overlay.ts';
export type { HostTools, ToolResult } from './host-tools.ts';
export { PROBE_MARK } from './addressing.ts';
export { HOST, LINK_DOWN, keyOf, textOf } from './kernel.ts';
export type {
  Address,
  Fingerprint,
  ForwardingEntry,
  HostNetwork,
  Kernel,
  KernelObject,
  KernelOp,
  Link,
  Neighbour,
  OpFailure,
  PortClaim,
  Route,
  Rule,
  FlowTarget,
  Sysctl,
  UnderlayDevice,
} from './kernel.ts';
export type { ProbeOutcome, TraceProbes } from './trace.ts';
export type { Overlay, OverlayProblem, OverlayState, TaskNamespace } from './overlay.ts';
export type { ResolverLauncher } from './resolver-client.ts';
export {
  MAX_LINE_BYTES,
  parseReply,
  type ResolverReply,
  type ResolverRequest,
} from './resolver-protocol.ts';
/** The one text of an IPv6 address: kernels' answers are compared with what was wanted by text. */
export { ipv6Number, ipv6Text } from '../model/index.ts';
