// Who may do what. Pure: a principal and a permission in, a yes or the reason for a no out.
import { SwarmError } from '../../base/index.ts';
import type { Permission } from './permissions.ts';
import { principalText, type Principal } from './principal.ts';

/** What a node may ask for without an operator. */
const OF_NODES: ReadonlySet<Permission> = new Set<Permission>(['attachment.write']);

/**
 * Undefined: permitted; otherwise why not. The socket of the API is root's: its callers may do
 * everything. Managers speak for themselves with the methods that are theirs alone.
 */
export function refusal(principal: Principal, permission: Permission): string | undefined {
  switch (principal.kind) {
    case 'operator':
      return undefined;
    case 'node':
      if (OF_NODES.has(permission)) return undefined;
      break;
    case 'manager':
      break;
  }
  return `${principalText(principal)} lacks the permission ${permission}`;
}

/** Raises `denied` with the permission that is missing. */
export function authorize(principal: Principal, permission: Permission): void {
  const reason = refusal(principal, permission);
  if (reason !== undefined) throw new SwarmError('denied', reason);
}
