// Addresses that a service asks for by options of its attachment to a network (stack files:
// `ipv4_address`, `ipv6_address`). Only a service of one task can have one.
import type { NetworkAttachmentConfig } from './spec.ts';

/** Driver option of a service’s network: its one task’s address there. */
export const FIXED_IPV4_OPTION = 'tsswarm.ipv4_address';
/** The same for IPv6. */
export const FIXED_IPV6_OPTION = 'tsswarm.ipv6_address';

/** Without prefix length, as the user wrote them; usually none. */
export function fixedAddresses({ DriverOpts }: NetworkAttachmentConfig): string[] {
  if (DriverOpts === undefined) return [];
  return [FIXED_IPV4_OPTION, FIXED_IPV6_OPTION].flatMap((option) => DriverOpts[option] ?? []);
}
