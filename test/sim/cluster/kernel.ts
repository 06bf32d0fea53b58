// The network side of a simulated machine: the fake kernel, which outlives the daemon and is empty
// after a power cut, as one process sees it; and a resolver process that only remembers.
import type { Logger } from '../../../src/base/index.ts';
import {
  createOverlay,
  type Kernel,
  type Overlay,
  type ResolverLauncher,
  type ResolverReply,
  type ResolverRequest,
} from '../../../src/overlay/index.ts';
import { FakeKernel } from '../../builders/overlay-world.ts';
import { processDisk } from './disk.ts';
import type { Machine } from './machine.ts';
import type { SimulatedProcess } from './process.ts';

/** The overlay of one process, on its machine's kernel and run directory. */
export function processOverlay(
  machine: Machine,
  process: SimulatedProcess,
  logger: Logger,
): Overlay {
  return createOverlay({
    kernel: processKernel(machine.kernel, process),
    clock: process.clock,
    random: process.random,
    disk: processDisk(machine.runDisk, process, machine.runDiskFaults),
    logger,
    resolver: processResolver(process),
    stateDirectory: '/run',
    instance: 'ts',
    ownPorts: [2377, 2378],
  });
}

/** A kernel whose operations end with the process that asked for them. */
function processKernel(kernel: FakeKernel, process: SimulatedProcess): Kernel {
  const run = <T>(operation: () => Promise<T>): Promise<T> =>
    process.alive ? process.result(operation()) : new Promise(() => {});
  return {
    namespacePath: (namespace) => kernel.namespacePath(namespace),
    listNamespaces: () => run(() => kernel.listNamespaces()),
    createNamespace: (namespace) => run(() => kernel.createNamespace(namespace)),
    deleteNamespace: (namespace) => run(() => kernel.deleteNamespace(namespace)),
    writeSysctls: () => run(() => kernel.writeSysctls()),
    read: (namespace) => run(() => kernel.read(namespace)),
    fingerprint: (namespace) => run(() => kernel.fingerprint(namespace)),
    change: (namespace, ops, commands) => run(() => kernel.change(namespace, ops, commands)),
    nft: (namespace, commands) => run(() => kernel.nft(namespace, commands)),
    forgetConnections: (namespace, sources) =>
      run(() => kernel.forgetConnections(namespace, sources)),
    forgetFlows: (targets) => run(() => kernel.forgetFlows(targets)),
    underlay: () => run(() => kernel.underlay()),
    hostNetworks: () => run(() => kernel.hostNetworks()),
    claimPort: (protocol, port) => run(() => kernel.claimPort(protocol, port)),
    close: () => run(() => kernel.close()),
  };
}

/** A resolver process that answers at once. */
function processResolver(process: SimulatedProcess): ResolverLauncher {
  return {
    connect: async () => {
      let answer: (reply: ResolverReply) => void = () => {};
      return {
        send: (request: ResolverRequest) => {
          queueMicrotask(() => process.enter(() => answer({ seq: request.seq, failures: {} })));
          return true;
        },
        onMessage: (handler) => {
          answer = handler;
        },
        onDrain: () => {},
        onClose: () => {},
        close: () => {},
      };
    },
    remove: async () => {},
  };
}
