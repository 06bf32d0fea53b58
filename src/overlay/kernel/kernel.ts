// The port of the kernel: what the overlay wants done in network namespaces, as data. The real one
// is src/platform/netlink/linux-kernel.ts; a simulation hands in its own. Objects have a key (what makes
// them the same object) and a text (when it differs the object must be changed).

/** Mark of the segments that tell clients of their server's death: no connection is made of them. */
export const PROBE_MARK = 0x7472_0000;

/** The namespace that the daemon itself is in. */
export const HOST = 'host';

/** Instead of an MTU: the link is there but down; setting it brings it up. */
export const LINK_DOWN = 0;

export interface Link {
  readonly kind: 'veth' | 'vxlan';
  readonly name: string;
  readonly mtu: number;
  readonly mac: string;
  /** Only for veth, and only looked at when it is made: where the other end goes. */
  readonly peer?: {
    readonly namespace: string;
    readonly name: string;
    readonly mac: string;
    /** Only looked at in the host's namespace: the far end has IPv6 too. */
    readonly ipv6?: boolean;
  };
  /**
   * The other end's namespace is deleted together with the link and takes it along: one by one the
   * kernel waits for a grace period on each.
   */
  readonly leavesWithPeer?: boolean;
  /**
   * Only for vxlan: it is made from the host's namespace, where its UDP socket stays. With `local`
   * "" its packets have the source address that their route says.
   */
  readonly vxlan?: { readonly vni: number; readonly port: number; readonly local: string };
}

export interface Address {
  readonly kind: 'address';
  readonly device: string;
  /** With prefix length; no route to the prefix is made. */
  readonly address: string;
  /** IPv6 only: nothing is sent from it while there is any other. */
  readonly deprecated?: boolean;
}

export interface Route {
  readonly kind: 'route';
  /** "10.0.1.0/24"; the default route is "0.0.0.0/0" or "::/0". */
  readonly destination: string;
  readonly table: number;
  /** Absent: the destination is unreachable. */
  readonly device?: string;
  /** Next hop, taken to be on the link. */
  readonly via?: string;
}

export interface Neighbour {
  readonly kind: 'neighbour';
  readonly device: string;
  readonly address: string;
  readonly mac: string;
}

export interface ForwardingEntry {
  readonly kind: 'fdb';
  readonly device: string;
  readonly mac: string;
  /** Underlay address. */
  readonly destination: string;
}

export interface Rule {
  readonly kind: 'rule';
  readonly priority: number;
  readonly table: number;
  readonly from?: string;
  readonly mark?: { readonly value: number; readonly mask: number };
  /** Only for rules without `from`, whose address tells it otherwise. */
  readonly ipv6?: boolean;
}

export type KernelObject = Link | Address | Route | Neighbour | ForwardingEntry | Rule;

export type KernelOp =
  /** Makes it, or changes it where the kernel can; links that differ in kind are made anew by the plan. */
  | { readonly op: 'set'; readonly object: KernelObject }
  | { readonly op: 'delete'; readonly object: KernelObject };

/** A failed op or transaction: the overlay reads the namespace again and plans again. */
export interface OpFailure {
  /** Absent: the transaction. */
  readonly op?: KernelOp;
  /** For a transaction in nft's own words. */
  readonly message: string;
}

/** Two reads that are the same say that nothing was changed in between. */
export interface Fingerprint {
  /** Counts nftables transactions: one more after each. Undefined: not known. */
  readonly generation: number | undefined;
  /** Of links, addresses, routes, neighbours and rules; undefined in the host's namespace. */
  readonly objects: string | undefined;
}

/** A route of somebody else in the host's namespace, or an address there. */
export interface HostNetwork {
  readonly destination: string;
  readonly device: string;
  /** It is behind a router. */
  readonly routed?: boolean;
}

export interface UnderlayDevice {
  readonly device: string;
  readonly mtu: number;
}

/** Says that this host serves a port; held until `release`. */
export interface PortClaim {
  release(): Promise<void>;
}

/** Of one namespace. */
export interface KernelWatch {
  /** From now on the next change is told; those before are seen by whoever looks now. */
  rearm(): void;
  /** Nothing is told any more, and nothing holds the namespace. */
  close(): void;
}

export interface Kernel {
  /** Path of a namespace for the OCI spec and the resolver. */
  namespacePath(namespace: string): string;
  /** Names of the namespaces of this instance that exist. */
  listNamespaces(): Promise<readonly string[]>;
  /** Makes it with `lo` up and the sysctls (below net/) written; succeeds when it exists already. */
  createNamespace(namespace: string, sysctls: readonly Sysctl[]): Promise<void>;
  deleteNamespace(namespace: string): Promise<void>;
  /** Writes sysctls in the host's namespace or one of ours; fails with a SwarmError. */
  writeSysctls(namespace: string, sysctls: readonly Sysctl[]): Promise<void>;
  /** Our objects there; in the host's namespace only those on links whose names start with `prefix`. */
  read(namespace: string, prefix: string): Promise<readonly KernelObject[]>;
  /**
   * Calls `changed` once, and again after each `rearm`, when something that we look at may be another in
   * the namespace, whoever changed it; in the host's namespace also when one of ours is gone. Resolves once
   * nothing is missed any more; fails where that can't be. Ends by itself with `deleteNamespace`. Absent
   * where the kernel does not tell.
   */
  watch?(namespace: string, changed: () => void): Promise<KernelWatch>;
  /** Cheap, however much is there; fails when the namespace is gone. */
  fingerprint(namespace: string): Promise<Fingerprint>;
  /**
   * Does the ops in order, all of them, and then one nftables transaction (none for ""); what is already
   * so is a success.
   */
  change(
    namespace: string,
    ops: readonly KernelOp[],
    commands?: string,
  ): Promise<readonly OpFailure[]>;
  /**
   * One nftables transaction or listing; fails with a SwarmError that carries nft's own words,
   * `notFound` when there is no such table.
   */
  nft(namespace: string, commands: string): Promise<string>;
  /**
   * Forgets connections whose replies come from one of these addresses; with `reset` the clients of TCP
   * are made to say something, so that they are told even if they only wait. What they send must get a
   * reset, and what has the mark PROBE_MARK must not become a connection.
   */
  forgetConnections(
    namespace: string,
    replySources: readonly string[],
    reset: boolean,
  ): Promise<void>;
  /**
   * Forgets UDP flows of this host to these ports that are not translated: they are older than the
   * translation, and would go past it as long as their senders go on.
   */
  forgetFlows(targets: readonly FlowTarget[]): Promise<void>;
  /** The device that holds an address of this host. */
  underlay(address: string): Promise<UnderlayDevice | undefined>;
  /** Networks that this host has routes to, without ours: new subnets must not overlap them. */
  hostNetworks(): Promise<readonly HostNetwork[]>;
  /**
   * Binds 0.0.0.0 and ::, or `address` alone (nothing when it is not this host's); fails with code
   * `conflict` when another program has the port.
   */
  claimPort(protocol: 'tcp' | 'udp', port: number, address?: string): Promise<PortClaim>;
  /** Removes the directory of namespaces; only after all of them are gone. */
  close(): Promise<void>;
}

/** A UDP port of this host that begins to be served. */
export interface FlowTarget {
  readonly port: number;
  /** At this address alone. */
  readonly hostIp?: string;
}

export interface Sysctl {
  /** Below /proc/sys/net, e.g. "ipv4/ip_forward". */
  readonly name: string;
  readonly value: string;
}

/** What makes two objects of one namespace the same object. */
export function keyOf(object: KernelObject): string {
  switch (object.kind) {
    case 'veth':
    case 'vxlan':
      return `link ${object.name}`;
    case 'address':
      return `addr ${object.address} dev ${object.device}`;
    case 'route':
      return `route ${object.destination} table ${object.table}`;
    case 'neighbour':
      return `neigh ${object.address} dev ${object.device}`;
    case 'fdb':
      return `fdb ${object.mac} dev ${object.device}`;
    case 'rule':
      return `rule pref ${object.priority}${ruleSelector(object)}`;
  }
}

/** The whole object as text, near the words of iproute2; the other end of a veth is left out. */
export function textOf(object: KernelObject): string {
  const key = keyOf(object);
  switch (object.kind) {
    case 'veth':
      return `${key} mtu ${object.mtu} address ${object.mac} type veth`;
    case 'vxlan': {
      const { vni = 0, port = 0, local = '' } = object.vxlan ?? {};
      const tail = `type vxlan id ${vni} dstport ${port} local ${local}`;
      return `${key} mtu ${object.mtu} address ${object.mac} ${tail}`;
    }
    case 'address':
      return key;
    case 'route': {
      const { device, via } = object;
      if (device === undefined) return `${key} unreachable`;
      return via === undefined ? `${key} dev ${device}` : `${key} via ${via} dev ${device}`;
    }
    case 'neighbour':
      return `${key} lladdr ${object.mac}`;
    case 'fdb':
      return `${key} dst ${object.destination}`;
    case 'rule':
      return `${key} lookup ${object.table}`;
  }
}

function ruleSelector(rule: Rule): string {
  const family = rule.ipv6 === true ? ' inet6' : '';
  const from = rule.from === undefined ? family : `${family} from ${rule.from}`;
  const mark = rule.mark;
  return mark === undefined ? from : `${from} fwmark ${hex(mark.value)}/${hex(mark.mask)}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
