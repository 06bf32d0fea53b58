// The texts of /etc/hosts, /etc/hostname and /etc/resolv.conf that a container sees. Pure.
import type { ContainerSpec } from '../../model/index.ts';
import type { TaskNamespace } from '../runtime/index.ts';

const LOCAL_HOSTS = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];

/** /etc/hosts: localhost, what the service adds ("ip host …"), the task's own addresses. */
export function hostsFile(
  namespace: TaskNamespace,
  spec: Pick<ContainerSpec, 'Hosts'>,
  hostname: string,
): string {
  const named = namespace.hosts.some(({ names }) => names.includes(hostname));
  const own = namespace.hosts.map(({ address, names }) =>
    [address, ...names, ...(named ? [] : [hostname])].join('\t'),
  );
  const added = (spec.Hosts ?? []).map((line) => line.trim().split(/\s+/).join('\t'));
  return `${[...LOCAL_HOSTS, ...added, ...own].join('\n')}\n`;
}

/**
 * /etc/resolv.conf: each part is the service's if it has one, else the network's. On networks with
 * names of their own the resolver stays; it asks the service's servers for all other names.
 */
export function resolvFile(namespace: TaskNamespace, dns: ContainerSpec['DNSConfig']): string {
  const choose = (own: readonly string[] | undefined, other: readonly string[]) =>
    own !== undefined && own.length > 0 ? own : other;
  const nameservers = choose(namespace.nameservers, dns?.Nameservers ?? []);
  // A search list of "." alone asks for none.
  const search = choose(dns?.Search, namespace.search).filter((domain) => domain !== '.');
  const own = dns?.Options ?? [];
  const given = own.some((option) => option.startsWith('ndots:'));
  const options = given ? own : [...own, ...namespace.options];
  const lines = nameservers.map((address) => `nameserver ${address}`);
  if (search.length > 0) lines.push(`search ${search.join(' ')}`);
  if (options.length > 0) lines.push(`options ${options.join(' ')}`);
  return `${lines.join('\n')}\n`;
}
