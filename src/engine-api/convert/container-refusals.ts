// What Docker's containers have and ours don't: fields that are refused when they are set to something
// that matters, with the way out.
import type { Refusal } from './wire-schema.ts';

type Refusals = Readonly<Record<string, Refusal>>;

const LEAVE_OUT = 'leave it out';
const leaveOut = (flag: string): Refusal => ({ instead: `leave out ${flag}` });

export const CONFIG_REFUSALS: Refusals = {
  Domainname: { instead: 'write the whole name into --hostname' },
  NetworkDisabled: { instead: 'use --network none' },
  MacAddress: leaveOut('--mac-address'),
  OpenStdin: { instead: 'there are no interactive containers; leave out -i' },
  AttachStdin: { instead: 'there are no interactive containers; leave out -i' },
  Shell: { instead: 'name the shell in the health check: ["CMD", "sh", "-c", …]' },
};

const WINDOWS: Refusal = { instead: 'it is for Windows; leave it out' };
const BLOCK_IO: Refusal = { instead: 'the block device is not limited here; leave it out' };

export const HOST_REFUSALS: Refusals = {
  Privileged: { instead: 'add what the program needs with --cap-add' },
  PublishAllPorts: { instead: 'publish ports one by one with -p' },
  PidMode: { instead: 'a container has its own processes; leave out --pid', harmless: ['private'] },
  IpcMode: {
    instead: 'a container has its own shared memory; leave out --ipc',
    harmless: ['private', 'shareable'],
  },
  UTSMode: { instead: 'use --hostname' },
  UsernsMode: { instead: 'use --user', harmless: ['host'] },
  CgroupnsMode: { ...leaveOut('--cgroupns'), harmless: ['private'] },
  Cgroup: { instead: LEAVE_OUT },
  CgroupParent: leaveOut('--cgroup-parent'),
  Devices: leaveOut('--device'),
  DeviceCgroupRules: leaveOut('--device-cgroup-rule'),
  DeviceRequests: leaveOut('--gpus'),
  VolumesFrom: { instead: 'name the volumes with -v' },
  VolumeDriver: { instead: 'use the driver local', harmless: ['local'] },
  Links: { instead: 'put both containers on one attachable network, where names resolve' },
  Runtime: { instead: 'use runc', harmless: ['runc', 'io.containerd.runc.v2'] },
  Isolation: { ...WINDOWS, harmless: ['default'] },
  StorageOpt: leaveOut('--storage-opt'),
  Annotations: { instead: 'use labels' },
  MaskedPaths: { instead: 'leave out systempaths=unconfined', evenEmpty: true },
  ReadonlyPaths: { instead: 'leave out systempaths=unconfined', evenEmpty: true },
  OomKillDisable: { instead: 'give the container more memory with -m' },
  MemoryReservation: { instead: 'set the limit alone with -m' },
  MemorySwap: { instead: 'set the limit alone with -m', harmless: [-1] },
  MemorySwappiness: { ...leaveOut('--memory-swappiness'), harmless: [-1] },
  KernelMemory: leaveOut('--kernel-memory'),
  KernelMemoryTCP: { instead: LEAVE_OUT },
  CpuShares: { instead: 'limit it with --cpus', harmless: [1024] },
  CpusetCpus: { instead: 'limit it with --cpus' },
  CpusetMems: leaveOut('--cpuset-mems'),
  CpuRealtimePeriod: leaveOut('--cpu-rt-period'),
  CpuRealtimeRuntime: leaveOut('--cpu-rt-runtime'),
  CpuCount: WINDOWS,
  CpuPercent: WINDOWS,
  IOMaximumIOps: WINDOWS,
  IOMaximumBandwidth: WINDOWS,
  BlkioWeight: BLOCK_IO,
  BlkioWeightDevice: BLOCK_IO,
  BlkioDeviceReadBps: BLOCK_IO,
  BlkioDeviceWriteBps: BLOCK_IO,
  BlkioDeviceReadIOps: BLOCK_IO,
  BlkioDeviceWriteIOps: BLOCK_IO,
};

export const ENDPOINT_REFUSALS: Refusals = {
  Links: HOST_REFUSALS['Links'] ?? { instead: LEAVE_OUT },
  MacAddress: { instead: LEAVE_OUT },
  DriverOpts: { instead: LEAVE_OUT },
  GwPriority: { instead: 'the first network has the default route' },
};
