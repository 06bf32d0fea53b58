// What daemon and resolver say to each other.
export { ResolverClient, type ResolverLauncher } from './resolver-client.ts';
export {
  type AnswerTable,
  EMPTY_TABLE,
  MAX_LINE_BYTES,
  type NamesChange,
  type NetworkNames,
  type ResolverReply,
  type ResolverRequest,
  type ServedTask,
  type ServiceRecord,
  applyRequest,
  parseConfig,
  parseReply,
  parseRequest,
  parseTable,
  tableChange,
} from './resolver-protocol.ts';
