// The overlay's kernel port for real: netlink and nftables through the native addon. Namespaces are
// bound to files in a directory of this instance, not to /run/netns, so that several instances and
// other programs never meet.
import { closeSync, readdirSync } from 'node:fs';
import { mkdir, rmdir } from 'node:fs/promises';
import { SwarmError, isAbsent, messageOf } from '../../base/index.ts';
import {
  HOST,
  keyOf,
  type Fingerprint,
  type FlowTarget,
  type HostNetwork,
  type Kernel,
  type KernelObject,
  type KernelOp,
  type KernelWatch,
  type OpFailure,
  type PortClaim,
  type Sysctl,
  type UnderlayDevice,
} from '../../overlay/kernel/index.ts';
import { forgetConnections, forgetFlows } from './connections.ts';
import { fingerprintOf, fingerprintSteps } from './fingerprint.ts';
import {
  FORWARDING_IPV6,
  hasIpv6,
  keepRouterAdvertisements,
  type Native,
  type NativeResult,
  type NativeStep,
  type NetlinkMessage,
} from '../system/index.ts';
import { NamespaceWatches } from './namespace-watches.ts';
import { bytesOfAddress } from './netlink-attributes.ts';
import {
  readAddresses,
  readForeignRoutes,
  readForwarding,
  readLinks,
  readNeighbours,
  readOurRoutes,
  readOurRules,
} from './rtnetlink-read.ts';
import {
  AF_INET,
  AF_INET6,
  NETLINK_ROUTE,
  RTM,
  addressMessage,
  createLink,
  deleteLink,
  dump,
  dumpForwarding,
  forwardingMessage,
  neighbourMessage,
  routeMessage,
  ruleMessage,
  setLink,
} from './rtnetlink.ts';

const ENOENT = 2;
const ESRCH = 3;
const EAGAIN = 11;
const EEXIST = 17;
const ENODEV = 19;
const EADDRINUSE = 98;
const EADDRNOTAVAIL = 99;

/** What a deletion may answer when the object is gone already. */
const GONE = new Set([ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL]);
/** How nft says that there is no such table, or no such family in this kernel. */
const ABSENT_TABLE =
  /^Error: (?:Could not process rule: )?(?:No such file or directory|Address family not supported)/;
/** Tries of a dump that changed while it was read. */
const MAX_DUMP_TRIES = 5;

/** `directory` is for the namespaces of one instance and must be on this machine's file system. */
export function linuxKernel(native: Native, directory: string): Kernel {
  return new LinuxKernel(native, directory);
}

class LinuxKernel implements Kernel {
  readonly #native: Native;
  readonly #directory: string;
  #prepared: Promise<void> | undefined;
  readonly #watches: NamespaceWatches;
  /** Told when one of our namespaces may be gone. */
  #filesChanged: (() => void) | undefined;

  constructor(native: Native, directory: string) {
    this.#native = native;
    this.#directory = directory;
    this.#watches = new NamespaceWatches(native.watches);
  }

  namespacePath(namespace: string): string {
    return `${this.#directory}/${namespace}`;
  }

  listNamespaces(): Promise<readonly string[]> {
    // At once, for whoever compares with what it knows at this moment.
    try {
      return Promise.resolve(readdirSync(this.#directory).sort());
    } catch (error) {
      if (isAbsent(error)) return Promise.resolve([]);
      const problem = `cannot list ${this.#directory}: ${messageOf(error)}`;
      return Promise.reject(new SwarmError('unavailable', problem));
    }
  }

  async createNamespace(namespace: string, sysctls: readonly Sysctl[]): Promise<void> {
    this.#prepared ??= this.#prepare();
    await this.#prepared;
    const [made, ...rest] = await this.#native.run(undefined, [
      { step: 'newNamespace', path: this.namespacePath(namespace) },
      netlink(setLink('lo', {})),
      ...writeSteps(sysctls),
    ]);
    if (made?.errno === EEXIST) return;
    check(made, `namespace ${namespace}`);
    rest.forEach((result) => check(result, `namespace ${namespace}`));
  }

  async deleteNamespace(namespace: string): Promise<void> {
    const path = this.namespacePath(namespace);
    // It would live on.
    this.#watches.close(namespace);
    const [result] = await this.#native.run(undefined, [{ step: 'unmount', path }]);
    check(result, `namespace ${namespace}`);
  }

  async writeSysctls(namespace: string, sysctls: readonly Sysctl[]): Promise<void> {
    if (namespace === HOST && sysctls.some(({ name }) => name === FORWARDING_IPV6)) {
      await keepRouterAdvertisements();
    }
    const results = await this.#native.run(this.#pathOf(namespace), writeSteps(sysctls));
    results.forEach((result, index) => check(result, `sysctl ${sysctls[index]?.name}`));
  }

  async read(namespace: string, prefix: string): Promise<readonly KernelObject[]> {
    const kinds = [RTM.GETADDR, RTM.GETROUTE, RTM.GETNEIGH, RTM.GETRULE];
    const [links, forwarding, ...dumps] = await this.#dumps(namespace, [
      dump(RTM.GETLINK, 0),
      dumpForwarding(),
      ...kinds.flatMap((kind) => [dump(kind, AF_INET), dump(kind, AF_INET6)]),
    ]);
    if (!links || !forwarding) return [];
    const [addresses, routes, neighbours, rules] = kinds.map((_, index) =>
      Buffer.concat(dumps.slice(2 * index, 2 * index + 2)),
    );
    if (!addresses || !routes || !neighbours || !rules) return [];
    const ours = readLinks(links).filter((link) => link.name.startsWith(prefix) && link.object);
    const names = new Map(ours.map((link) => [link.index, link.name]));
    const nameOf = (index: number): string => names.get(index) ?? '';
    // Without a device are links, unreachable routes and rules; the last two we have in our own only.
    const isOurs = (object: KernelObject): boolean =>
      'device' in object ? object.device !== '' : namespace !== HOST || 'name' in object;
    return [
      ...ours.flatMap((link) => (link.object ? [link.object] : [])),
      ...readAddresses(addresses).map(({ index, address }): KernelObject => ({
        kind: 'address',
        device: nameOf(index),
        address,
      })),
      ...readOurRoutes(routes, nameOf),
      ...readNeighbours(neighbours, nameOf),
      ...readForwarding(forwarding, nameOf),
      ...readOurRules(rules),
    ].filter(isOurs);
  }

  async watch(namespace: string, changed: () => void): Promise<KernelWatch> {
    const watch = await this.#watches.open(namespace, this.#pathOf(namespace), changed);
    if (namespace !== HOST) return watch;
    this.#filesChanged = changed;
    this.#watchFiles();
    const close = (): void => {
      this.#filesChanged = undefined;
      this.#watches.closeDirectory();
      watch.close();
    };
    return { ...watch, close };
  }

  /** Of a namespace that is gone the kernel says nothing: its file tells. */
  #watchFiles(): void {
    if (this.#filesChanged === undefined) return;
    try {
      this.#watches.watchDirectory(this.#directory, () => this.#filesChanged?.());
    } catch (error) {
      // It is made with the first namespace.
      if (!isAbsent(error)) throw error;
    }
  }

  async fingerprint(namespace: string): Promise<Fingerprint> {
    const steps = fingerprintSteps(namespace !== HOST);
    const results = await this.#native.run(this.#pathOf(namespace), steps);
    return fingerprintOf(results, performance.now());
  }

  async change(
    namespace: string,
    ops: readonly KernelOp[],
    commands = '',
  ): Promise<readonly OpFailure[]> {
    const failures: OpFailure[] = [];
    let left = commands;
    // A VXLAN link is made from the host's namespace; what is before it in the list comes first.
    for (let at = 0; at < ops.length;) {
      const fromHost = isVxlanCreation(ops[at]);
      let end = at + 1;
      while (end < ops.length && !fromHost && !isVxlanCreation(ops[end])) end++;
      const part = ops.slice(at, end);
      const steps = part.map((op) => netlink(this.#message(namespace, op)));
      const path = fromHost ? undefined : this.#pathOf(namespace);
      if (left !== '' && end === ops.length && !fromHost) {
        steps.push({ step: 'nft', commands: left });
        left = '';
      }
      const results = await this.#native.run(path, steps);
      for (const [index, op] of part.entries()) {
        let result = results[index];
        if (result?.errno === EEXIST && isCreation(op)) {
          // A link of this name was on its way out: its peer's namespace is being taken apart.
          const name = 'name' in op.object ? op.object.name : '';
          const again = [netlink(deleteLink(name)), ...steps.slice(index, index + 1)];
          [, result] = await this.#native.run(path, again);
        }
        if (result && !settled(namespace, op, result.errno)) failures.push(failure(op, result));
      }
      failures.push(...refusals(results.slice(part.length)));
      at = end;
    }
    if (left === '') return failures;
    const rest = await this.#native.run(this.#pathOf(namespace), [{ step: 'nft', commands: left }]);
    return [...failures, ...refusals(rest)];
  }

  async nft(namespace: string, commands: string): Promise<string> {
    const [result] = await this.#native.run(this.#pathOf(namespace), [{ step: 'nft', commands }]);
    const missing = result !== undefined && result.errno !== 0 && ABSENT_TABLE.test(result.message);
    if (missing) throw new SwarmError('notFound', `nftables in ${namespace}: ${result.message}`);
    check(result, `nftables in ${namespace}`);
    return result?.data.toString() ?? '';
  }

  forgetConnections(
    namespace: string,
    replySources: readonly string[],
    reset: boolean,
  ): Promise<void> {
    return forgetConnections(this.#native, this.#pathOf(namespace), replySources, reset);
  }

  forgetFlows(targets: readonly FlowTarget[]): Promise<void> {
    return forgetFlows(this.#native, targets);
  }

  async underlay(address: string): Promise<UnderlayDevice | undefined> {
    const family = address.includes(':') ? AF_INET6 : AF_INET;
    const dumps = await this.#dumps(HOST, [dump(RTM.GETLINK, 0), dump(RTM.GETADDR, family)]);
    const [links, addresses] = dumps;
    if (!links || !addresses) return undefined;
    const holder = readAddresses(addresses).find((entry) =>
      entry.address.startsWith(`${address}/`),
    );
    const link = readLinks(links).find(({ index }) => index === holder?.index);
    return link && { device: link.name, mtu: link.mtu };
  }

  async hostNetworks(): Promise<readonly HostNetwork[]> {
    const [links, routes] = await this.#dumps(HOST, [dump(RTM.GETLINK, 0), dump(RTM.GETROUTE)]);
    if (!links || !routes) return [];
    const names = new Map(readLinks(links).map(({ index, name }) => [index, name]));
    return readForeignRoutes(routes, (index) => names.get(index) ?? '');
  }

  async claimPort(protocol: 'tcp' | 'udp', port: number, address?: string): Promise<PortClaim> {
    const common = { step: 'socket', type: protocol, port } as const;
    const all: NativeStep[] = [
      { ...common, family: 4, address: new Uint8Array(4) },
      { ...common, family: 6, address: new Uint8Array(16) },
    ];
    const results = await this.#native.run(
      undefined,
      address === undefined
        ? all
        : [{ ...common, family: address.includes(':') ? 6 : 4, address: bytesOfAddress(address) }],
    );
    const sockets = results
      .filter(({ errno }) => errno === 0)
      .map(({ data }) => data.readInt32LE(0));
    const release = (): Promise<void> => {
      for (const socket of sockets.splice(0)) closeSync(socket);
      return Promise.resolve();
    };
    // A host without IPv6 answers with another error than "in use": nobody can hold it there.
    const taken = results.some(
      ({ errno }, index) =>
        errno === EADDRINUSE ||
        (errno && index === 0 && !(address !== undefined && errno === EADDRNOTAVAIL)),
    );
    if (!taken) return { release };
    await release();
    throw new SwarmError(
      'conflict',
      `port ${port}/${protocol} is held by another program on this host; stop it or publish another port`,
    );
  }

  async close(): Promise<void> {
    if ((await this.listNamespaces()).length > 0) return;
    this.#watches.closeAll();
    await this.#native.run(undefined, [{ step: 'unmount', path: this.#directory }]);
    await rmdir(this.#directory).catch(() => undefined);
    this.#prepared = undefined;
  }

  async #prepare(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o755 });
    const steps: NativeStep[] = [{ step: 'share', path: this.#directory }];
    const [result] = await this.#native.run(undefined, steps);
    check(result, `directory ${this.#directory}`);
    this.#watchFiles();
  }

  #pathOf(namespace: string): string | undefined {
    return namespace === HOST ? undefined : this.namespacePath(namespace);
  }

  async #dumps(namespace: string, messages: readonly NetlinkMessage[]): Promise<Buffer[]> {
    for (let attempt = 1; ; attempt++) {
      const results = await this.#native.run(this.#pathOf(namespace), messages.map(netlink));
      const changed = results.some(({ errno }) => errno === EAGAIN);
      if (changed && attempt < MAX_DUMP_TRIES) continue;
      results.forEach((result) => check(result, `reading namespace ${namespace}`));
      return results.map(({ data }) => data);
    }
  }

  #message(namespace: string, { op, object }: KernelOp): NetlinkMessage {
    const set = op === 'set';
    switch (object.kind) {
      case 'veth':
      case 'vxlan': {
        if (!set) return deleteLink(object.name);
        const made = object.peer ?? object.vxlan;
        if (made === undefined) return setLink(object.name, object);
        // Seen from a thread inside a namespace, the process itself is still in the host's.
        const peer = object.peer && (this.#pathOf(object.peer.namespace) ?? '/proc/self/ns/net');
        return createLink(object, {
          ...(object.kind === 'vxlan' ? { own: this.namespacePath(namespace) } : {}),
          ...(peer === undefined ? {} : { peer }),
        });
      }
      case 'address':
        return addressMessage(set, object);
      case 'route':
        return routeMessage(set, object, namespace === HOST);
      case 'neighbour':
        return neighbourMessage(set, object);
      case 'fdb':
        return forwardingMessage(set, object);
      case 'rule':
        return ruleMessage(set, object);
    }
  }
}

function netlink(message: NetlinkMessage): NativeStep {
  return { step: 'netlink', protocol: NETLINK_ROUTE, message };
}

/** A kernel that was started without IPv6 (ipv6.disable=1) has nothing to set there. */
function writeSteps(sysctls: readonly Sysctl[]): NativeStep[] {
  const steps = hasIpv6() ? sysctls : sysctls.filter(({ name }) => !name.startsWith('ipv6/'));
  return steps.map(({ name, value }) => ({ step: 'write', path: `/proc/sys/net/${name}`, value }));
}

function isVxlanCreation(op: KernelOp | undefined): boolean {
  return op?.op === 'set' && op.object.kind === 'vxlan' && op.object.vxlan !== undefined;
}

function isCreation({ op, object }: KernelOp): boolean {
  return op === 'set' && object.kind === 'veth' && object.peer !== undefined;
}

function settled(namespace: string, { op, object }: KernelOp, errno: number): boolean {
  if (errno === 0) return true;
  if (op === 'delete') return GONE.has(errno);
  // A route of somebody else in the host's namespace is not ours to replace.
  if (object.kind === 'route' && namespace === HOST) return false;
  return errno === EEXIST && object.kind !== 'veth' && object.kind !== 'vxlan';
}

function refusals(transactions: readonly NativeResult[]): OpFailure[] {
  return transactions.filter(({ errno }) => errno !== 0).map(({ message }) => ({ message }));
}

function failure(op: KernelOp, result: NativeResult): OpFailure {
  const detail = result.message === '' ? '' : `: ${result.message}`;
  return { op, message: `${op.op} ${keyOf(op.object)}: errno ${result.errno}${detail}` };
}

function check(result: NativeResult | undefined, what: string): void {
  if (result === undefined) throw new SwarmError('internal', `${what}: no answer`);
  if (result.errno === 0) return;
  throw new SwarmError('internal', `${what}: ${result.message} (errno ${result.errno})`);
}
