// What a node needs to be able to carry out of a container's options: names of signals, capabilities,
// sysctls, ulimits, the log driver, volumes. Managers ask before they take a spec, so that nobody
// learns of a typing error from a task that is rejected again and again.
import { SwarmError, words } from '../../base/index.ts';
import { CAPABILITIES, containerCapabilities } from './capabilities.ts';
import { addressFamily } from '../addresses/index.ts';
import { checkLogDriver } from './log-options.ts';
import { checkPrivileges } from './privileges.ts';
import { signalNumber } from './signals.ts';
import type { ContainerSpec, Mount, ServiceSpec, TaskSpec } from '../spec/index.ts';
import { checkTemplates } from '../templates/index.ts';
import { checkVolume } from './volume-options.ts';

const ULIMITS = words(`
  core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack
`);
/** Docker’s "no limit" of an ulimit. */
export const UNLIMITED = -1;

/** Those of a container's own IPC namespace; of its network all that begin with "net.". */
const SYSCTLS = words(`
  kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax kernel.shmmni
  kernel.shm_rmid_forced
`);
const SYSCTL_NAME = /^[a-zA-Z0-9_-]+(?:[./][a-zA-Z0-9_-]+)*$/;
const SYSCTL_VALUE_LENGTH_MAX = 4096;

/** Mount propagations that the kernel knows. */
export const PROPAGATIONS = words('private rprivate shared rshared slave rslave');
const HOSTNAME_LENGTH_MAX = 63;
const OOM_SCORE_MAX = 1000;
/** What would begin another word or line of /etc/hosts or /etc/resolv.conf. */
const NO_WORD = /[\s#;\0]/;

/** Whether the spec's tasks could run at all: templates and options. Raises `invalid` or `unimplemented`. */
export function checkRunnable(spec: ServiceSpec): void {
  checkContainerOptions(checkTemplates(spec), spec.TaskTemplate.LogDriver);
}

/** `spec`: with templates expanded. Raises `invalid` or `unimplemented` with the value and the way out. */
export function checkContainerOptions(spec: ContainerSpec, driver: TaskSpec['LogDriver']): void {
  signalNumber(spec.StopSignal);
  const every = (1n << BigInt(CAPABILITIES.length)) - 1n;
  containerCapabilities(spec.CapabilityAdd ?? [], spec.CapabilityDrop ?? [], every);
  checkPrivileges(spec.Privileges);
  (spec.Ulimits ?? []).forEach(checkUlimit);
  for (const [name, value] of Object.entries(spec.Sysctls ?? {})) checkSysctl(name, value);
  if (spec.Dir && !spec.Dir.startsWith('/')) {
    throw invalid(
      `the working directory ${shown(spec.Dir)} is invalid: it must be an absolute path`,
    );
  }
  if (Math.abs(spec.OomScoreAdj ?? 0) > OOM_SCORE_MAX) {
    throw invalid(`OomScoreAdj ${spec.OomScoreAdj} must lie between -1000 and 1000`);
  }
  checkHostname(spec.Hostname ?? '');
  (spec.Hosts ?? []).forEach(checkHost);
  checkDns(spec.DNSConfig);
  (spec.Mounts ?? []).forEach(checkMount);
  checkLogDriver(driver);
}

type Ulimit = NonNullable<ContainerSpec['Ulimits']>[number];

function checkUlimit({ Name, Soft, Hard }: Ulimit): void {
  if (!ULIMITS.includes(Name)) {
    throw invalid(`invalid ulimit type: ${Name}; known are ${ULIMITS.join(', ')}`);
  }
  for (const value of [Soft, Hard]) {
    if (!Number.isSafeInteger(value) || value < UNLIMITED) {
      throw invalid(`ulimit ${Name}: ${value} must be -1 (unlimited) or a whole number from 0 on`);
    }
  }
  const above = Hard !== UNLIMITED && (Soft === UNLIMITED || Soft > Hard);
  if (above)
    throw invalid(`ulimit ${Name}: its soft limit ${Soft} is above its hard limit ${Hard}`);
}

function checkSysctl(name: string, value: string): void {
  if (!SYSCTL_NAME.test(name)) throw invalid(`${shown(name)} is no name of a sysctl`);
  if (value.length > SYSCTL_VALUE_LENGTH_MAX || value.includes('\0')) {
    throw invalid(`sysctl ${name}: the value is too long or has a zero byte`);
  }
  const dotted = name.replaceAll('/', '.');
  if (dotted === 'kernel.hostname') throw invalid(`sysctl ${name}: use the hostname instead`);
  if (SYSCTLS.includes(dotted) || dotted === 'kernel.domainname') return;
  if (dotted.startsWith('net.') || dotted.startsWith('fs.mqueue.')) return;
  throw invalid(`sysctl ${name} is not in a separate kernel namespace: set it on the nodes`);
}

function checkHostname(hostname: string): void {
  if (hostname.length > HOSTNAME_LENGTH_MAX) {
    throw invalid(`invalid hostname ${hostname}: longer than ${HOSTNAME_LENGTH_MAX} characters`);
  }
  if (NO_WORD.test(hostname) || hostname.includes('/')) {
    throw invalid(`invalid hostname ${shown(hostname)}: use letters, digits, "-" and "."`);
  }
}

/** "ip host [host …]". */
function checkHost(line: string): void {
  const [address = '', ...names] = line.trim().split(/[ \t]+/);
  const right = isAddress(address) && names.length > 0 && !names.some((name) => NO_WORD.test(name));
  if (!right) throw invalid(`invalid host ${shown(line)}: an address and its names are expected`);
}

function checkDns(dns: ContainerSpec['DNSConfig']): void {
  for (const address of dns?.Nameservers ?? []) {
    if (!isAddress(address)) throw invalid(`nameserver ${shown(address)} is not an ip address`);
  }
  for (const domain of dns?.Search ?? []) {
    if (domain === '' || NO_WORD.test(domain)) {
      throw invalid(`invalid DNS search domain ${shown(domain)}`);
    }
  }
  for (const option of dns?.Options ?? []) {
    if (option === '' || NO_WORD.test(option)) throw invalid(`invalid DNS option ${shown(option)}`);
  }
}

function checkMount(mount: Mount): void {
  const { Type = 'volume', Source = '', BindOptions, VolumeOptions } = mount;
  if (Type === 'bind') checkPropagation(BindOptions?.Propagation);
  if (Type !== 'volume') return;
  const { Name, Options } = VolumeOptions?.DriverConfig ?? {};
  checkVolume({ name: Source === '' ? undefined : Source, driver: Name, options: Options });
}

/** The mode to mount with. Raises `invalid` in Docker's words. */
export function checkPropagation(mode: string | undefined): string {
  const wanted = mode || 'rprivate';
  if (PROPAGATIONS.includes(wanted)) return wanted;
  throw invalid(`invalid mount config: invalid propagation mode: ${wanted}`);
}

function isAddress(text: string): boolean {
  return !text.includes('/') && addressFamily(text) !== undefined;
}

const SHOWN_MAX = 100;

function shown(text: string): string {
  return JSON.stringify(text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}…`);
}

function invalid(message: string): SwarmError {
  return new SwarmError('invalid', message);
}
