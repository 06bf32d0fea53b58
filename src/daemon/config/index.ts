// The daemon's configuration, directories, addresses and version.
export {
  type HostPort,
  checkAddresses,
  formatAddress,
  parseAddress,
  raftAddress,
  resolveAdvertise,
  resolveDataPath,
  resolveListen,
} from './addresses.ts';
export { type DaemonConfig, USAGE, parseConfig } from './config.ts';
export { secureDirectories } from './data-directories.ts';
export { loadDataKey } from './data-key.ts';
export { type InstallPaths, installPaths } from './install-paths.ts';
export { forgetLog, raftDirectory } from './raft-directory.ts';
export { VERSION } from './version.ts';
