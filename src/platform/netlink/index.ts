// The kernel port for real: rtnetlink, nftables, conntrack, probes.
export { linuxKernel } from './linux-kernel.ts';
export { traceProbes } from './trace-probes.ts';
