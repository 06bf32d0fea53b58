// How a node comes into a cluster, what it is there, and how it goes.
export { parseBackupKey, sealBackup } from './backup-file.ts';
export { CertificateRenewal } from './certificate-renewal.ts';
export { obtainCertificate } from './join.ts';
export {
  type ChangeKind,
  MembershipChange,
  allInOrder,
  goOn,
  inTime,
  unlessEnded,
  waitUntil,
} from './membership-change.ts';
export {
  type Membership,
  MembershipWriter,
  loadMembership,
  newRaftId,
  saveMembership,
} from './membership-file.ts';
export { firstMembership, prepareCluster } from './new-cluster.ts';
export { PeerRoles } from './peer-roles.ts';
export { restoreBackup } from './restore.ts';
export { RoleFollower, type RoleSteps } from './role-follower.ts';
export { clusterSigner } from './signer.ts';
