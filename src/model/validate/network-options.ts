// What the options of a network's driver mean.
import { SwarmError } from '../../base/index.ts';
import type { NetworkSpec } from '../spec/index.ts';

/** Docker's option: that it is there turns it on, whatever its value; but for a no. */
export const ENCRYPTED_OPTION = 'encrypted';
const NO = ['false', 'f', '0', 'no', 'off'];

/** Driver option of a network: bytes of a packet. */
export const MTU_OPTION = 'com.docker.network.driver.mtu';
const MTU = { min: 576, max: 65_535 };
/** What IPv6 needs of every link. */
const MTU_IPV6_MIN = 1280;

/** The network's number in VXLAN, instead of one that the managers choose. */
export const VNI_OPTION = 'com.docker.network.driver.overlay.vxlanid_list';
const VNI_MAX = 2 ** 24 - 1;

const KNOWN: readonly string[] = [MTU_OPTION, ENCRYPTED_OPTION, VNI_OPTION];

/** Traffic of this network between hosts is encrypted. */
export function isEncrypted(spec: NetworkSpec): boolean {
  const value = spec.Options?.[ENCRYPTED_OPTION];
  return value !== undefined && !NO.includes(value.toLowerCase());
}

/** The VNI that the network is to have; undefined: any. */
export function requestedVni(spec: NetworkSpec): number | undefined {
  const value = spec.Options?.[VNI_OPTION];
  return value === undefined ? undefined : Number(value);
}

/** Raises `invalid` or `unimplemented`, naming the option and its value. */
export function checkNetworkOptions(spec: NetworkSpec): void {
  for (const [key, value] of Object.entries(spec.Options ?? {})) {
    if (!KNOWN.includes(key)) {
      throw new SwarmError(
        'invalid',
        `unknown option ${JSON.stringify(key)} of driver overlay: use ${KNOWN.join(', ')}`,
      );
    }
    if (key === MTU_OPTION) checkMtu(value, spec.EnableIPv6 === true);
    if (key === VNI_OPTION) checkVni(value);
  }
}

function checkMtu(value: string, isDual: boolean): void {
  const mtu = /^\d{3,5}$/.test(value) ? Number(value) : NaN;
  if (!(mtu >= MTU.min && mtu <= MTU.max)) {
    throw new SwarmError('invalid', `MTU ${value} must be a number from ${MTU.min} to ${MTU.max}`);
  }
  if (isDual && mtu < MTU_IPV6_MIN) {
    throw new SwarmError('invalid', `MTU ${mtu} is too small for IPv6: ${MTU_IPV6_MIN} at least`);
  }
}

function checkVni(value: string): void {
  if (/^\d+(?:,\d+)+$/.test(value)) {
    throw new SwarmError(
      'unimplemented',
      `option ${VNI_OPTION}=${value}: a network has one VNI in this release, name one`,
    );
  }
  const vni = /^[1-9]\d{0,7}$/.test(value) ? Number(value) : NaN;
  if (!(vni <= VNI_MAX)) {
    throw new SwarmError(
      'invalid',
      `option ${VNI_OPTION}=${value}: a VNI is a number from 1 to ${VNI_MAX}`,
    );
  }
}
