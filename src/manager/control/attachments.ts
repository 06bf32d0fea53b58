// The network attachment of a user's container (`docker run --network`) on networks of the cluster: a task that its
// node asks for and ends. It has a revision of its own, which says networks and name; no service.
import { SwarmError } from '../../base/index.ts';
import {
  FIXED_IPV4_OPTION,
  FIXED_IPV6_OPTION,
  addressFamily,
  create,
  isEncrypted,
  type ContainerNetworkConfig,
  type NetworkAttachmentConfig,
  type Node,
  type ServiceSpec,
} from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';
import type { AttachmentRequest } from './control.ts';
import { checkAddress } from './fixed-addresses.ts';
import { find } from '../queries/index.ts';
import type { Change } from './services.ts';

/** As for services: Docker sets no limit, interfaces do. */
const NETWORKS_MAX = 64;

/** Raises `notFound`, `denied` for a network that is not attachable, `invalid`, `conflict`. */
export function createAttachment(
  view: StoreView,
  { id, nodeId, containerId, name, networks }: AttachmentRequest,
  now: number,
): Change<object> {
  const node = view.get('node', nodeId);
  if (node === undefined) throw new SwarmError('denied', `node ${nodeId} is not in the cluster`);
  const known = view.get('task', id);
  if (known !== undefined) {
    if (known.attachment?.containerId === containerId && known.nodeId === nodeId) {
      return { actions: [], response: {} };
    }
    throw new SwarmError('conflict', `task ${id} exists already`);
  }
  if (networks.length === 0 || networks.length > NETWORKS_MAX) {
    throw new SwarmError(
      'invalid',
      `a container can be on 1 to ${NETWORKS_MAX} networks of the cluster, not ${networks.length}`,
    );
  }
  const Networks = networks.map((network) => resolve(view, node, containerId, network));
  const twice = Networks.find(
    ({ Target }, i) => Networks.findIndex((n) => n.Target === Target) < i,
  );
  if (twice !== undefined) {
    throw new SwarmError('invalid', `network ${twice.Target} is given twice`);
  }
  const spec: ServiceSpec = {
    Name: name,
    TaskTemplate: { ContainerSpec: { Image: '' }, Networks, Runtime: 'attachment' },
    Mode: {},
  };
  return {
    actions: [
      create('revision', { id, serviceId: id, spec, ports: [] }),
      create('task', {
        id,
        serviceId: id,
        revisionId: id,
        slot: 0,
        nodeId,
        desiredState: 'running',
        status: { state: 'new', timestamp: now, message: 'created' },
        networks: [],
        attachment: { containerId },
      }),
    ],
    response: {},
  };
}

function resolve(
  view: StoreView,
  node: Node,
  containerId: string,
  { target, aliases, addresses }: ContainerNetworkConfig,
): NetworkAttachmentConfig {
  const network = find(view, 'network', target);
  const { Name: name } = network.spec;
  if (network.spec.Ingress === true || network.spec.Attachable !== true) {
    throw new SwarmError(
      'denied',
      `Could not attach to network ${name}: it is not manually attachable; make it with --attachable`,
    );
  }
  if (isEncrypted(network.spec) && node.description?.encryption === undefined) {
    throw new SwarmError(
      'precondition',
      `Could not attach to network ${name}: it is encrypted, and node ${node.description?.hostname ?? node.id} can't encrypt (no WireGuard)`,
    );
  }
  for (const address of addresses) checkAddress(view, { containerId }, network, address);
  const option = (address: string): string =>
    addressFamily(address) === 6 ? FIXED_IPV6_OPTION : FIXED_IPV4_OPTION;
  return {
    Target: network.id,
    Aliases: [...new Set([...aliases, containerId.slice(0, 12)])],
    ...(addresses.length > 0 && {
      DriverOpts: Object.fromEntries(addresses.map((address) => [option(address), address])),
    }),
  };
}
