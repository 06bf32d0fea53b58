// Firewalls of other programs: what they drop, and the rules that let our traffic through.
export { foreignDrops } from './foreign-drops.ts';
export { ForeignFirewalls } from './foreign-firewalls.ts';
