// The managers' signing hand: the root key is in their replicated state, the cryptography in platform.
import { SwarmError, type Clock } from '../../base/index.ts';
import type { Signer } from '../../manager/index.ts';
import type { Cluster } from '../../model/index.ts';
import { signCertificate } from '../../platform/index.ts';
import { equalInConstantTime } from '../services/index.ts';

/** Signs with the root of the cluster as it is at the time of each request. */
export function clusterSigner(cluster: () => Cluster | undefined, clock: Clock): Signer {
  return {
    equal: equalInConstantTime,
    sign: (csr, subject, lifetimeMs) => {
      const now = cluster();
      if (now === undefined) throw new SwarmError('unavailable', 'the cluster is being set up');
      const root = { certificate: now.rootCertificates, key: now.rootKey };
      return signCertificate(root, csr, subject, lifetimeMs, clock.now());
    },
  };
}
