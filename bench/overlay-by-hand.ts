// The kernel path of the overlay set up by hand, with the rules of the design's prototype, for
// bench/overlay.ts to compare with: task, router, VXLAN, router, task.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { OverlayLab } from '../test/integration/overlay-lab.ts';

const execute = promisify(execFile);

/** What the prototype of the design has in a router: where requests came in, forged sources, addresses. */
function routerRules(host: number): string {
  const others = [1, 2].filter((n) => n !== host);
  const map = (value: (n: number) => string): string =>
    others.map((n) => `02:00:00:00:00:0${n} : ${value(n)}`).join(', ');
  return [
    'add table ip x',
    `add map ip x zone_of { typeof ether saddr : ct zone; elements = { ${map(String)} } }`,
    `add map ip x mark_of { type ether_addr : mark; elements = { ${map((n) => `0x10${n}`)} } }`,
    `add set ip x own { type ifname . ipv4_addr; elements = { "tk" . 10.6${host}.0.2 } }`,
    'add chain ip x raw { type filter hook prerouting priority raw; }',
    'add rule ip x raw iifname "vx0" ct original zone set ether saddr map @zone_of',
    'add rule ip x raw iifname "up0" ct original zone set 9',
    'add rule ip x raw iifname "t*" iifname . ip saddr != @own drop',
    'add chain ip x way_back { type filter hook prerouting priority mangle; }',
    'add rule ip x way_back iifname "vx0" ct state new ip saddr != 10.60.0.0/14 ct mark set ether saddr map @mark_of',
    'add rule ip x way_back iifname != "vx0" ct mark & 0x100 == 0x100 ct direction reply meta mark set ct mark',
    'add map ip x vips { type ipv4_addr : verdict; }',
    'add chain ip x vip { type nat hook prerouting priority dstnat; }',
    'add rule ip x vip ip daddr vmap @vips',
    'add chain ip x hairpin { type nat hook postrouting priority srcnat; }',
    'add rule ip x hairpin ct status dnat ip saddr . ip daddr { 10.61.0.2 . 10.61.0.2 } masquerade',
  ].join('; ');
}

/** And in a host: a published port, the way out, VXLAN from the other host alone. */
const HOST_RULES = [
  'add table ip y',
  'add set ip y hosts { type ipv4_addr; elements = { 10.99.0.5, 10.99.0.6 } }',
  'add chain ip y ingress { type nat hook prerouting priority dstnat; }',
  'add rule ip y ingress fib daddr type local tcp dport 8080 dnat to 10.62.0.2:80',
  'add chain ip y out { type nat hook postrouting priority srcnat; }',
  'add rule ip y out iifname "ov*" oifname "eth0" masquerade',
  'add chain ip y input { type filter hook input priority filter; }',
  'add rule ip y input udp dport 4790 ip saddr != @hosts drop',
].join('; ');

/** Adds the paths of its namespaces (r1, k1, r2, k2) to `paths`, which has those of the machines g1, g2. */
export async function layByHand(
  lab: OverlayLab,
  paths: Map<string, string>,
  underlay: (machine: string) => string,
): Promise<void> {
  const run = (name: string, ...argv: string[]): Promise<string> =>
    lab.run(paths.get(name) ?? '', ...argv);
  for (const n of [1, 2]) {
    const machine = `g${n}`;
    const [router, task] = [`r${n}`, `k${n}`];
    for (const name of [router, task]) {
      await execute('ip', ['netns', 'add', lab.netns(name)]);
      paths.set(name, lab.path(name));
      await run(name, 'ip', 'link', 'set', 'lo', 'up');
    }
    const vxlan = ['type', 'vxlan', 'id', '77', 'dstport', '4790', 'nolearning'];
    const local = ['local', underlay(machine)];
    await run(machine, 'ip', 'link', 'add', 'vx0', ...vxlan, ...local);
    await run(machine, 'ip', 'link', 'set', 'vx0', 'netns', lab.netns(router));
    const ends = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', lab.netns(task)];
    await run(router, 'ip', 'link', 'add', 'tk', 'mtu', '1450', ...ends);
    await run(router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    await run(router, 'ip', 'link', 'set', 'vx0', 'address', `02:00:00:00:00:0${n}`);
    await run(router, 'ip', 'link', 'set', 'vx0', 'mtu', '1450', 'up');
    await run(router, 'ip', 'link', 'set', 'tk', 'up');
    await run(router, 'ip', 'addr', 'add', `10.60.0.${n}/24`, 'dev', 'vx0');
    await run(router, 'ip', 'addr', 'add', `10.6${n}.0.1/24`, 'dev', 'tk');
    const other = 3 - n;
    await run(router, 'ip', 'route', 'add', `10.6${other}.0.0/24`, 'via', `10.60.0.${other}`);
    const mac = `02:00:00:00:00:0${other}`;
    await run(router, 'ip', 'neigh', 'add', `10.60.0.${other}`, 'lladdr', mac, 'dev', 'vx0');
    const fdb = ['add', mac, 'dev', 'vx0', 'dst', underlay(`g${other}`)];
    await run(router, 'bridge', 'fdb', ...fdb);
    await run(router, 'nft', routerRules(n));
    await run(machine, 'nft', HOST_RULES);
    await run(task, 'ip', 'link', 'set', 'eth0', 'mtu', '1450', 'up');
    await run(task, 'ip', 'addr', 'add', `10.6${n}.0.2/24`, 'dev', 'eth0');
    await run(task, 'ip', 'route', 'add', 'default', 'via', `10.6${n}.0.1`);
  }
}
