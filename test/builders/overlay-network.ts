// A network as the data plane sees it, for tests of states and rules.
import type { OverlayNetwork } from '../../src/overlay/kernel/namespace-state.ts';

export const FRONT: OverlayNetwork = {
  id: 'front',
  name: 'front',
  subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1' }],
  internal: false,
  ingress: false,
  mtu: 1450,
  vxlan: { vni: 1048577, port: 4789, local: '10.99.0.1', host: 1 },
};
