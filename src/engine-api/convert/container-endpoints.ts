// A container's networks as `docker inspect` shows them: with addresses while it runs, else as they
// were asked for. Pure.
import {
  addressFamily,
  type ContainerAttachment,
  type ContainerDescription,
  type ContainerNetworkConfig,
} from '../../model/index.ts';

interface Addresses {
  readonly Gateway: string;
  readonly IPAddress: string;
  readonly IPPrefixLen: number;
  readonly IPv6Gateway: string;
  readonly GlobalIPv6Address: string;
  readonly GlobalIPv6PrefixLen: number;
  readonly MacAddress: string;
}

const NO_ADDRESSES: Addresses = {
  Gateway: '',
  IPAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  MacAddress: '',
};
const BRIDGE: ContainerNetworkConfig = { target: 'bridge', aliases: [], addresses: [] };

/** Beside `Networks` the addresses on the bridge, which old scripts read. */
export function networkSettings(container: ContainerDescription): Addresses & {
  readonly EndpointID: string;
  readonly Networks: Readonly<Record<string, object>>;
} {
  const asked = container.config.networks.length > 0 ? container.config.networks : [BRIDGE];
  const networks: Record<string, object> = {};
  for (const attachment of container.networks) {
    const config = asked.find(
      ({ target }) => target === attachment.name || target === attachment.networkId,
    );
    networks[attachment.name] = endpoint(container, config, attachment);
  }
  const attached = new Set(container.networks.flatMap(({ name, networkId }) => [name, networkId]));
  for (const config of asked) {
    if (!attached.has(config.target)) {
      networks[config.target] = endpoint(container, config, undefined);
    }
  }
  const bridge = container.networks.find(({ name }) => name === 'bridge');
  return { ...addressesOf(bridge), EndpointID: '', Networks: networks };
}

function endpoint(
  container: ContainerDescription,
  config: ContainerNetworkConfig | undefined,
  attachment: ContainerAttachment | undefined,
): object {
  const aliases = attachment?.aliases ?? config?.aliases ?? [];
  return {
    IPAMConfig: ipamConfig(config?.addresses ?? []),
    Links: null,
    Aliases: aliases.length > 0 ? aliases : null,
    DriverOpts: null,
    GwPriority: 0,
    NetworkID: attachment?.networkId ?? '',
    EndpointID: attachment === undefined ? '' : container.id,
    ...addressesOf(attachment),
    DNSNames: attachment === undefined ? null : [...new Set([container.name, ...aliases])],
  };
}

function ipamConfig(addresses: readonly string[]): object | null {
  const four = addresses.find((address) => addressFamily(address) === 4);
  const six = addresses.find((address) => addressFamily(address) === 6);
  if (four === undefined && six === undefined) return null;
  return {
    ...(four === undefined ? {} : { IPv4Address: four }),
    ...(six === undefined ? {} : { IPv6Address: six }),
  };
}

function addressesOf(attachment: ContainerAttachment | undefined): Addresses {
  if (attachment === undefined) return NO_ADDRESSES;
  const { addresses, gateway = '' } = attachment;
  const [four = '', fourLength = '0'] = partsOf(addresses, 4);
  const [six = '', sixLength = '0'] = partsOf(addresses, 6);
  return {
    ...NO_ADDRESSES,
    Gateway: addressFamily(gateway) === 4 ? gateway : '',
    IPAddress: four,
    IPPrefixLen: Number(fourLength),
    IPv6Gateway: addressFamily(gateway) === 6 ? gateway : '',
    GlobalIPv6Address: six,
    GlobalIPv6PrefixLen: Number(sixLength),
  };
}

function partsOf(addresses: readonly string[], family: 4 | 6): string[] {
  return addresses.find((address) => addressFamily(address) === family)?.split('/') ?? [];
}
