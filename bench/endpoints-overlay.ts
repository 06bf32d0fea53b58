// A host of bench/endpoints.ts: the overlay of one node in this network namespace, fed as an agent does.
import { silentLogger } from '../src/base/index.ts';
import type { AssignmentsMessage } from '../src/model/index.ts';
import { createOverlay, type Overlay } from '../src/overlay/index.ts';
import {
  fileDisk,
  linuxKernel,
  loadNative,
  resolverProcess,
  systemClock,
  systemRandom,
} from '../src/platform/index.ts';
import { AssignmentReceiver, emptyTables } from '../src/worker/index.ts';

export class BenchHost {
  readonly overlay: Overlay;
  readonly #nodeId: string;
  readonly #receiver = new AssignmentReceiver(emptyTables(), (problem) => {
    throw new Error(problem);
  });

  constructor(nodeId: string, directory: string, addon: string, program: string) {
    this.#nodeId = nodeId;
    this.overlay = createOverlay({
      kernel: linuxKernel(loadNative(addon), `${directory}/netns`),
      clock: systemClock,
      random: systemRandom,
      disk: fileDisk,
      logger: silentLogger,
      resolver: resolverProcess({ program, addon, directory }),
      stateDirectory: directory,
      instance: 'be',
      ownPorts: [2377],
    });
  }

  /** What the agent does with a message, until it may say that it is applied. */
  async feed(message: AssignmentsMessage): Promise<void> {
    const tables = this.#receiver.receive(message)?.tables;
    if (tables === undefined) return;
    this.overlay.update({
      self: tables.host.get(this.#nodeId),
      dataPathPort: 4789,
      networks: tables.network,
      hosts: tables.host,
      services: tables.serviceEndpoint,
      endpoints: tables.taskEndpoint,
    });
    await this.overlay.settled();
  }

  /** A task of this node on the network `networkId`. */
  async attach(service: number, task: number, networkId: string, address: string): Promise<void> {
    await this.overlay.attach({
      id: `task${task}`,
      serviceId: `service${service}`,
      serviceName: `s${service}`,
      slot: 1,
      nodeId: this.#nodeId,
      revisionId: 'r',
      desiredState: 'running',
      networks: [{ networkId, addresses: [`${address}/16`], aliases: [] }],
      hostPorts: [],
      publishesIngress: false,
    });
  }
}
