// What the options of a network's driver mean.
import type { NetworkSpec } from './spec.ts';

/** Docker's option: given without a value it is on. */
export const ENCRYPTED_OPTION = 'encrypted';

/** Values that `isEncrypted` understands. */
export const ENCRYPTED_VALUES: readonly string[] = ['', 'true', 'false'];

/** Traffic of this network between hosts is encrypted. */
export function isEncrypted(spec: NetworkSpec): boolean {
  const value = spec.Options?.[ENCRYPTED_OPTION];
  return value !== undefined && value !== 'false';
}
