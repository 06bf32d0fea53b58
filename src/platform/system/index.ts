// The machine's clock, randomness, disk, programs and native addon.
export { fileDisk } from './file-disk.ts';
export { FORWARDING_IPV6, hasIpv6, keepRouterAdvertisements } from './host-ipv6.ts';
export { hostTools } from './host-tools.ts';
export { jsonLines, onLines } from './json-lines.ts';
export {
  Native,
  type NativeResult,
  type NativeStep,
  type NetlinkMessage,
  type Patch,
  loadNative,
  type NativeWatches,
} from './native.ts';
export { probeMachine } from './probe-machine.ts';
export { systemClock } from './system-clock.ts';
export { systemRandom } from './system-random.ts';
