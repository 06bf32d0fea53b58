// The executor on containerd.
export {
  createContainerdExecutor,
  type ContainerSummary,
  type ContainerdExecutor,
  type ContainerdExecutorOptions,
} from './executor.ts';
export type { LogLine, LogOptions } from '../logs/index.ts';
export { hostsFile, resolvFile } from './network-files.ts';
