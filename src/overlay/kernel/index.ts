// The ports of the kernel and of the host’s tools, and the state of a namespace as data.
export { ExpectedListing } from './expected-listing.ts';
export type { HostTools, ToolResult } from './host-tools.ts';
export {
  type Address,
  type Fingerprint,
  type FlowTarget,
  type ForwardingEntry,
  HOST,
  type HostNetwork,
  type Kernel,
  type KernelObject,
  type KernelOp,
  type KernelWatch,
  LINK_DOWN,
  type Link,
  type Neighbour,
  type OpFailure,
  PROBE_MARK,
  type PortClaim,
  type Route,
  type Rule,
  type Sysctl,
  type UnderlayDevice,
  keyOf,
  textOf,
} from './kernel.ts';
export {
  type LocalAttachment,
  MAIN_TABLE,
  NO_IPV6,
  type NamespaceState,
  OWN_IPV6,
  type OverlayNetwork,
  objectMap,
} from './namespace-state.ts';
export { planObjects } from './plan.ts';
export type { TraceProbes } from './trace-probes.ts';
