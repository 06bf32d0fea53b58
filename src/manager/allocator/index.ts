// Gives out subnets, VNIs, addresses and ports.
export { Allocator } from './allocator.ts';
