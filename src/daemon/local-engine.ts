// What a machine has without any cluster: containerd with its images and volumes, and the overlay's
// hands in the kernel. Both are adopted from an earlier process of the daemon where they run already.
import type { Logger } from '../base/index.ts';
import { reservedPorts } from '../model/index.ts';
import { createOverlay, type Overlay } from '../overlay/index.ts';
import {
  fileDisk,
  hasIpv6,
  hostTools,
  linuxKernel,
  loadNative,
  resolverProcess,
  systemClock,
  systemRandom,
  traceProbes,
} from '../platform/index.ts';
import { createContainerdExecutor, type ContainerdExecutor } from '../worker/tasks/index.ts';
import { BoundNetworking } from './bound-networking.ts';
import {
  VERSION,
  secureDirectories,
  type DaemonConfig,
  type InstallPaths,
} from './config/index.ts';

export interface LocalEngine {
  readonly executor: ContainerdExecutor;
  readonly overlay: Overlay;
  /** The overlay as executor and users' containers use it. */
  readonly networking: BoundNetworking;
}

/** Ports that tasks may not reach on this host, and that nobody may publish. */
const OWN_PORTS = reservedPorts(4789).filter((port) => port !== 22);

export async function startLocalEngine(
  config: DaemonConfig,
  paths: InstallPaths,
  logger: Logger,
): Promise<LocalEngine> {
  const { dataRoot, runRoot, instance } = config;
  await secureDirectories(dataRoot, runRoot);
  const native = loadNative(paths.addon);
  const overlay = createOverlay({
    kernel: linuxKernel(native, `${runRoot}/netns`),
    ipv6: hasIpv6(),
    clock: systemClock,
    random: systemRandom,
    disk: fileDisk,
    logger,
    resolver: resolverProcess({
      program: paths.resolver,
      addon: paths.addon,
      directory: `${runRoot}/overlay`,
    }),
    tools: hostTools(),
    probes: traceProbes(native),
    stateDirectory: `${runRoot}/overlay`,
    instance,
    ownPorts: OWN_PORTS,
  });
  const networking = new BoundNetworking(overlay);
  const [executor] = await Promise.all([
    createContainerdExecutor({
      dataDirectory: dataRoot,
      runDirectory: runRoot,
      loggerPath: paths.logger,
      initPath: paths.init,
      networking,
      clock: systemClock,
      random: systemRandom,
      disk: fileDisk,
      logger,
      engineVersion: VERSION,
      engineLabels: config.labels,
      insecureRegistries: config.insecureRegistries,
      ...(config.runtime === 'runc' ? {} : { runtime: { binary: config.runtime } }),
      protoDirectory: `${paths.protos}/containerd`,
      ...(config.cgroupParent === undefined ? {} : { cgroupParent: config.cgroupParent }),
      ...(config.hostname === undefined ? {} : { hostname: config.hostname }),
      ...(config.containerdSocket === undefined
        ? {}
        : { containerdSocket: config.containerdSocket }),
    }),
    overlay.start(),
  ]);
  return { executor, overlay, networking };
}
