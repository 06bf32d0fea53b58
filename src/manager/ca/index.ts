// The cluster's certificate authority.
export { Authority, type Issued, type JoinRequest, type Signer } from './authority.ts';
