// The Privileges of a container: which of Docker's choices there are here. Pure.
import { SwarmError } from '../../base/index.ts';
import type { ContainerSpec } from '../spec/index.ts';

type Section = Readonly<Record<string, unknown>>;

/** Raises `unimplemented` for a choice that would change something and that nodes don't have. */
export function checkPrivileges(privileges: ContainerSpec['Privileges']): void {
  const { Seccomp, AppArmor, SELinuxContext, CredentialSpec } = privileges ?? {};
  seccompMode(Seccomp);
  const mode = section(AppArmor, 'AppArmor')['Mode'] ?? '';
  if (mode !== '' && mode !== 'default' && mode !== 'disabled') {
    throw unavailable(`AppArmor mode ${JSON.stringify(mode)}`, 'use "default" or "disabled"');
  }
  for (const [key, value] of Object.entries(section(SELinuxContext, 'SELinuxContext'))) {
    if (key === 'Disable' || isEmpty(value)) continue;
    throw unavailable(`Privileges.SELinuxContext.${key}`, 'leave it out: there are no labels here');
  }
  for (const value of Object.values(section(CredentialSpec, 'CredentialSpec'))) {
    if (isEmpty(value)) continue;
    throw unavailable('Privileges.CredentialSpec', 'it is for Windows; leave it out');
  }
}

/** Raises `unimplemented` for another mode. */
export function seccompMode(value: unknown): 'default' | 'unconfined' {
  const mode = section(value, 'Seccomp')['Mode'] ?? 'default';
  if (mode === 'default' || mode === '') return 'default';
  if (mode === 'unconfined') return mode;
  throw unavailable(`seccomp mode ${JSON.stringify(mode)}`, 'use "default" or "unconfined"');
}

function section(value: unknown, name: string): Section {
  if (value === undefined || value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value))
    return Object.fromEntries(Object.entries(value));
  throw new SwarmError('invalid', `Privileges.${name} must be an object`);
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || value === false;
}

function unavailable(what: string, instead: string): SwarmError {
  return new SwarmError('unimplemented', `${what} is not available in this release: ${instead}`);
}
