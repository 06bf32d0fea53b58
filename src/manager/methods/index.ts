// Every method that a manager hands to the leader, with its schemas.
export {
  type LeaderApi,
  type LeaderMethod,
  type LeaderMethods,
  checkMethod,
  decodeRequest,
  decodeResponse,
} from './leader-methods.ts';
