// The ports of src/base for real: this machine's clock, randomness and disk.
export {
  fileDisk,
  hasIpv6,
  hostTools,
  loadNative,
  probeMachine,
  systemClock,
  systemRandom,
  type Native,
} from './system/index.ts';
export {
  RpcClient,
  type RpcClientOptions,
  RpcServer,
  TlsIdentity,
  certificateDigest,
  certificateValidity,
  createRequest,
  createRoot,
  issuerInfo,
  loadMethods,
  type Access,
  signCertificate,
  type Caller,
  type KeyAndCertificate,
  type TlsPems,
  type WireMethod,
} from './rpc/index.ts';
export { linuxKernel, traceProbes } from './netlink/index.ts';
export { resolverProcess, type ResolverProcessOptions } from '../resolver/index.ts';
