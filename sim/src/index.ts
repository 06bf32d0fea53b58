// The simulated world: time, network, disk and randomness, all from one seed.
export { SimDisk, type SimFile } from './disk.ts';
export { EventQueue } from './event-queue.ts';
export {
  describeEntry,
  describeHistory,
  findAnomaly,
  SearchLimit,
  type Anomaly,
  type HistoryEntry,
  type RegisterOperation,
} from './linearizability.ts';
export { calmNetwork, Network, type NetworkFaults } from './network.ts';
export { CheckFailure, type SeedResult } from './outcome.ts';
export { Prng } from './prng.ts';
export { Trace } from './trace.ts';
export { settle, VirtualClock } from './virtual-clock.ts';
