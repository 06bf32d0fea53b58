// OCI runtime specs: what runc is told. Pure.
export {
  type CgroupLayout,
  cgroupLayout,
  cgroupMountPoints,
  countsOomKill,
  oomCounter,
} from './cgroups.ts';
export { type HostFacts, ociSpec } from './oci-spec.ts';
export type { OciMount, OciProcess, OciSpec, OciUser } from './oci-types.ts';
export { processMessage, processOf, specMessage } from './spec-json.ts';
export { resolveUser } from './user.ts';
