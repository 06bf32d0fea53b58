// Raft's messages between managers: codec, connections, members.
export { MemberTable, encodeMembers } from './membership.ts';
export {
  decodeEntry,
  decodeHardState,
  decodeSnapshot,
  encodeEntry,
  encodeHardState,
  encodeSnapshot,
} from './message-codec.ts';
export { TlsTransport } from './transport.ts';
export { WireReader, WireWriter } from './wire.ts';
