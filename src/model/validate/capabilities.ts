// Linux capabilities of a container: Docker's default set, plus and minus what the service says.
import { SwarmError, words } from '../../base/index.ts';

/** All capabilities in the order of their kernel numbers. */
export const CAPABILITIES: readonly string[] = words(`
  CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID
  CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST
  CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO
  CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE
  CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE
  CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM
  CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE
`);

/** What a container has when its service says nothing (Docker's defaults). */
export const DEFAULT_CAPABILITIES: readonly string[] = words(`
  CAP_CHOWN CAP_DAC_OVERRIDE CAP_FSETID CAP_FOWNER CAP_MKNOD CAP_NET_RAW CAP_SETGID CAP_SETUID
  CAP_SETFCAP CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_SYS_CHROOT CAP_KILL CAP_AUDIT_WRITE
`);

/**
 * The set after additions and removals; names with or without CAP_, in any case, and ALL. ALL means
 * every capability that this host can give (`available`, a bit mask by kernel number). Throws
 * `invalid` for an unknown name.
 */
export function containerCapabilities(
  add: readonly string[],
  drop: readonly string[],
  available: bigint,
): readonly string[] {
  const dropped = drop.map((name) => normalName(name, 'CapDrop'));
  const added = add.map((name) => normalName(name, 'CapAdd'));
  const all = CAPABILITIES.filter((_, number) => (available >> BigInt(number)) & 1n);
  let base: readonly string[] = DEFAULT_CAPABILITIES;
  if (added.includes('ALL')) base = all;
  else if (dropped.includes('ALL')) base = [];
  const kept = dropped.includes('ALL') ? [] : base.filter((name) => !dropped.includes(name));
  const result = new Set(added.includes('ALL') && dropped.includes('ALL') ? all : kept);
  for (const name of added) if (name !== 'ALL') result.add(name);
  return [...result];
}

function normalName(text: string, field: string): string {
  const name = text.toUpperCase();
  if (name === 'ALL') return name;
  const full = name.startsWith('CAP_') ? name : `CAP_${name}`;
  if (!CAPABILITIES.includes(full)) {
    throw new SwarmError('invalid', `invalid ${field}: unknown capability: "${text}"`);
  }
  return full;
}
