// The simulated world: what tests put in place of clock, network, disk and randomness.
export { Prng } from './prng.ts';
export { VirtualClock, settle } from './virtual-clock.ts';
