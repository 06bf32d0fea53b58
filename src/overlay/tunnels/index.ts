// Encrypted tunnels between hosts: plan, keys and rules.
export { TUNNEL_OVERHEAD, tunnelUnderlay } from './tunnel-plan.ts';
export { type TunnelRules, tunnelRules } from './tunnel-rules.ts';
export { type TunnelInput, Tunnels } from './tunnels.ts';
