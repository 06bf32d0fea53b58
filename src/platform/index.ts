// The ports of src/base for real: this machine's clock, randomness and disk.
export { fileDisk } from './file-disk.ts';
export { systemClock } from './system-clock.ts';
export { systemRandom } from './system-random.ts';
export {
  certificateDigest,
  certificateValidity,
  createRequest,
  createRoot,
  issuerInfo,
  signCertificate,
  type KeyAndCertificate,
} from './certificates.ts';
export { TlsIdentity, type TlsPems } from './identity.ts';
export { RpcClient } from './rpc-client.ts';
export { loadMethods, type WireMethod } from './rpc-definitions.ts';
export { RpcServer, type Caller } from './rpc-server.ts';
export { hostTools } from './host-tools.ts';
export { hasIpv6 } from './host-ipv6.ts';
export { linuxKernel } from './linux-kernel.ts';
export { loadNative, type Native } from './native.ts';
export { probeMachine } from './probe-machine.ts';
export { resolverProcess, type ResolverProcessOptions } from './resolver-process.ts';
export { traceProbes } from './trace-probes.ts';
