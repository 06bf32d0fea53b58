// gRPC with mutual TLS: server, clients, certificates, and who may call what.
export {
  type KeyAndCertificate,
  certificateDigest,
  certificateValidity,
  createRequest,
  createRoot,
  issuerInfo,
  signCertificate,
} from './certificates.ts';
export { TlsIdentity, type TlsPems } from './identity.ts';
export { RpcClient, type RpcClientOptions } from './rpc-client.ts';
export { type Access, type WireMethod, loadMethods } from './rpc-definitions.ts';
export { type Caller, RpcServer } from './rpc-server.ts';
