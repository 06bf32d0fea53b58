// The tunnels of encrypted networks: brings this host's two WireGuard devices to what the cluster
// says, and replaces their keys from time to time without losing a packet. The kernel's WireGuard is
// used where there is one, else wireguard-go.
import { SwarmError, messageOf, type Clock, type Disk, type Logger } from '../../base/index.ts';
import type { HostAssignment, HostEncryption } from '../../model/index.ts';
import { HOST, type HostTools, type Kernel } from '../kernel/index.ts';
import { KEY_OFFER_MS } from '../contract/index.ts';
import {
  announcement,
  loadKeys,
  makeKeyPair,
  offer,
  saveKeys,
  switchOver,
  type KeyState,
} from './tunnel-keys.ts';
import {
  SLOTS,
  TUNNEL_OVERHEAD,
  TUNNEL_RANGE,
  answeredKeys,
  otherSlot,
  silentHosts,
  tunnelConfig,
  tunnelDevice,
  tunnelPeers,
  tunnelPort,
  tunnelUnderlay,
  type Slot,
} from './tunnel-plan.ts';

/** `ip route`'s word for routes that this program made. */
const ROUTE_PROTOCOL = '99';

export interface TunnelInput {
  readonly self: HostAssignment | undefined;
  readonly hosts: ReadonlyMap<string, HostAssignment>;
  readonly dataPathPort: number;
  /** Of the underlay. */
  readonly mtu: number;
  /** A network of this host is encrypted. */
  readonly needed: boolean;
}

export interface TunnelsOptions {
  readonly kernel: Kernel;
  readonly tools: HostTools;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly instance: string;
  /** Of the file with the keys. */
  readonly directory: string;
  /** After which a key is replaced. */
  readonly keyPeriodMs: number;
}

export class Tunnels {
  readonly #options: TunnelsOptions;
  readonly #path: string;
  #keys: KeyState | undefined;
  #refusal: string | undefined = 'its keys are not made yet';
  #input: TunnelInput | undefined;
  /** What each device was told last. */
  readonly #brought = new Map<Slot, string>();
  #route = '';
  #problem: string | undefined;
  #changed: () => void = () => undefined;

  constructor(options: TunnelsOptions) {
    this.#options = options;
    this.#path = `${options.directory}/tunnels.json`;
  }

  /** Finds out whether this host can encrypt, and makes its first keys. */
  async start(): Promise<void> {
    try {
      this.#refusal = await this.#whyNot();
      if (this.#refusal !== undefined) return;
      this.#keys = await loadKeys(this.#options.disk, this.#path);
      this.#keys ??= await this.#firstKeys();
      // Devices of an earlier process are looked at anew, or removed when nobody needs them.
      for (const slot of await this.#devices()) this.#brought.set(slot, '');
    } catch (error) {
      this.#refusal = messageOf(error);
    }
  }

  /** Undefined where networks can't be encrypted. */
  announcement(): HostEncryption | undefined {
    return this.#keys && announcement(this.#keys);
  }

  /** `changed` is called whenever the announcement is another. */
  onChange(changed: () => void): void {
    this.#changed = changed;
  }

  /** Why this host can't be on encrypted networks. */
  refusal(): string | undefined {
    return this.#refusal ?? this.#problem;
  }

  /** This host has devices whose peers have to be looked after. */
  get inUse(): boolean {
    return this.#brought.size > 0;
  }

  problems(): readonly string[] {
    const needed = this.#input?.needed === true;
    const problem = needed ? this.refusal() : undefined;
    return problem === undefined ? [] : [`encrypted networks don't work here: ${problem}`];
  }

  /** Devices, peers and the route, as `input` says; what is so already costs nothing. */
  async bring(input: TunnelInput): Promise<void> {
    this.#input = input;
    await this.#work(() => this.#bringAll());
  }

  /** Makes devices again that are gone, and takes the next step of a change of keys. */
  async look(): Promise<void> {
    await this.#work(async () => {
      await this.#forgetLostDevices();
      await this.#rotate();
      await this.#bringAll();
    });
  }

  async removeAll(): Promise<void> {
    await this.#removeDevices();
    await this.#options.disk.remove(this.#path);
    this.#keys = undefined;
  }

  async #work(step: () => Promise<void>): Promise<void> {
    if (this.#refusal !== undefined) return;
    try {
      await step();
      this.#problem = undefined;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem) this.#options.logger.error({}, problem);
      this.#problem = problem;
    }
  }

  async #whyNot(): Promise<string | undefined> {
    const { tools } = this.#options;
    if ((await tools.run('wg', ['--version'])) === undefined) {
      return 'the program wg is not installed (package wireguard-tools)';
    }
    if ((await tools.run('wireguard-go', ['--version']))?.status === 0) return undefined;
    const device = tunnelDevice(this.#options.instance, 0);
    const made = await tools.run('ip', ['link', 'add', device, 'type', 'wireguard']);
    if (made?.status === 0) await tools.run('ip', ['link', 'delete', device]);
    // A device that is there already is one of ours.
    if (made?.status === 0 || made?.stderr.includes('exists')) return undefined;
    return 'the kernel has no WireGuard and the program wireguard-go is not installed';
  }

  async #firstKeys(): Promise<KeyState> {
    const { tools, disk, clock } = this.#options;
    const pairs = [await makeKeyPair(tools), await makeKeyPair(tools)] as const;
    const keys: KeyState = { pairs, current: 0, usedSince: clock.now() };
    await saveKeys(disk, this.#path, keys);
    return keys;
  }

  async #bringAll(): Promise<void> {
    const { self, needed } = this.#input ?? {};
    if (self === undefined || needed !== true) {
      if (this.#brought.size > 0) await this.#removeDevices();
      return;
    }
    for (const slot of SLOTS) await this.#bringDevice(slot, self);
    await this.#bringRoute(self);
  }

  async #bringDevice(slot: Slot, self: HostAssignment): Promise<void> {
    const { tools, instance, kernel } = this.#options;
    const { hosts, dataPathPort, mtu } = this.#input ?? {};
    const keys = this.#keys;
    if (keys === undefined || hosts === undefined || dataPathPort === undefined) return;
    const device = tunnelDevice(instance, slot);
    const config = tunnelConfig({
      privateKey: keys.pairs[slot].privateKey,
      port: tunnelPort(dataPathPort, slot),
      peers: tunnelPeers(hosts.values(), self.nodeId, dataPathPort),
      offered: keys.offeredSince !== undefined && slot !== keys.current,
    });
    const address = tunnelUnderlay(self.number, slot);
    const links = [
      `link set ${device} mtu ${(mtu ?? 0) - TUNNEL_OVERHEAD} up`,
      `address replace ${address}/32 dev ${device}`,
      '',
    ].join('\n');
    const told = links + config;
    if (this.#brought.get(slot) === told) return;
    const known = await tools.run('wg', ['show', device, 'listen-port']);
    if (known?.status !== 0) {
      await this.#makeDevice(device);
      // Both devices reach every host: an answer may come by the one that the route does not name.
      const name = `ipv4/conf/${device}/rp_filter`;
      await kernel.writeSysctls(HOST, [{ name, value: '2' }]);
    }
    // By a pipe of its own: wg opens the file anew, which it can't with a socket.
    const sync = 'cat | wg syncconf "$0" /dev/stdin';
    await this.#run('sh', ['-c', sync, device], config);
    await this.#run('ip', ['-batch', '-'], links);
    this.#brought.set(slot, told);
    this.#route = '';
  }

  async #makeDevice(device: string): Promise<void> {
    const { tools } = this.#options;
    const made = await tools.run('ip', ['link', 'add', device, 'type', 'wireguard']);
    if (made?.status !== 0) await this.#run('wireguard-go', [device]);
  }

  /** One route for all hosts: the change from one device to the other is one step. */
  async #bringRoute({ number }: HostAssignment): Promise<void> {
    const current = this.#keys?.current ?? 0;
    const device = tunnelDevice(this.#options.instance, current);
    const source = tunnelUnderlay(number, current);
    const route = `${TUNNEL_RANGE} dev ${device} src ${source} proto ${ROUTE_PROTOCOL}`;
    if (this.#route === route) return;
    await this.#run('ip', ['route', 'replace', ...route.split(' ')]);
    this.#route = route;
  }

  async #forgetLostDevices(): Promise<void> {
    if (this.#brought.size === 0) return;
    const there = await this.#devices();
    for (const slot of SLOTS) if (!there.includes(slot)) this.#brought.delete(slot);
  }

  async #devices(): Promise<Slot[]> {
    const { tools, instance } = this.#options;
    const shown = (await tools.run('wg', ['show', 'interfaces']))?.stdout ?? '';
    const names = shown.trim().split(/\s+/u);
    return SLOTS.filter((slot) => names.includes(tunnelDevice(instance, slot)));
  }

  async #rotate(): Promise<void> {
    const { tools, clock, logger, keyPeriodMs } = this.#options;
    const keys = this.#keys;
    if (keys === undefined) return;
    if (keys.offeredSince !== undefined) {
      const silent = await this.#silent(keys);
      const waited = clock.now() - keys.offeredSince;
      if (silent.length > 0 && waited < KEY_OFFER_MS) return;
      const hosts = silent.map(({ hostname }) => hostname);
      if (hosts.length > 0) logger.warn({ hosts }, 'a new key is used that not all hosts answered');
      await this.#use(switchOver(keys, clock.now()));
      logger.info({}, 'the key of encrypted networks was replaced');
    } else if (clock.now() - keys.usedSince >= keyPeriodMs) {
      await this.#use(offer(keys, await makeKeyPair(tools), clock.now()));
    }
  }

  /** Hosts that have not answered on the device with the new key. */
  async #silent(keys: KeyState): Promise<HostAssignment[]> {
    const { self, hosts, needed } = this.#input ?? {};
    if (self === undefined || hosts === undefined || needed !== true) return [];
    const device = tunnelDevice(this.#options.instance, otherSlot(keys.current));
    const listing = await this.#run('wg', ['show', device, 'latest-handshakes']);
    return silentHosts(hosts.values(), self.nodeId, answeredKeys(listing, keys.offeredSince ?? 0));
  }

  /** On disk first: a key that others know must not be lost. */
  async #use(keys: KeyState): Promise<void> {
    await saveKeys(this.#options.disk, this.#path, keys);
    this.#keys = keys;
    this.#changed();
  }

  async #removeDevices(): Promise<void> {
    const { tools, instance } = this.#options;
    for (const slot of SLOTS) {
      await tools.run('ip', ['link', 'delete', tunnelDevice(instance, slot)]);
    }
    this.#brought.clear();
    this.#route = '';
  }

  async #run(program: string, args: readonly string[], input?: string): Promise<string> {
    const result = await this.#options.tools.run(program, args, input);
    if (result?.status === 0) return result.stdout;
    const reason = result === undefined ? 'not installed' : result.stderr.trim();
    throw new SwarmError('unavailable', `${program} ${args.join(' ')}: ${reason}`);
  }
}
