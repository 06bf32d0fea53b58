// The cluster's certificate authority.
export {
  Authority,
  ISSUED,
  JOIN_REQUEST,
  type Issued,
  type JoinRequest,
  type Signer,
} from './authority.ts';
