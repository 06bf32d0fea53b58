// The wanted states of all namespaces of this host, made anew only where their inputs changed.
import type { HostAssignment } from '../../model/index.ts';
import {
  networkIds,
  taskInterfaces,
  usesHostNetwork,
  type AttachedTask,
  type TaskInterfaces,
} from './attachment.ts';
import { hostState, meshPorts, portKey, publishedPort, type PublishedPort } from './host-state.ts';
import type { LocalAttachment, NamespaceState, OverlayNetwork } from '../kernel/index.ts';
import { reuse, type NetworkView } from './network-views.ts';
import type { OverlayState } from '../contract/index.ts';
import { Sandbox } from './sandbox-state.ts';
import { taskState } from './task-state.ts';
import { bareAddress } from '../addressing/index.ts';

export interface WantedInput {
  readonly instance: string;
  readonly ownPorts: readonly number[];
  readonly state: OverlayState;
  readonly views: ReadonlyMap<string, NetworkView>;
  readonly tasks: ReadonlyMap<string, AttachedTask>;
  removed(networkId: string): readonly string[];
}

interface SandboxMemo {
  readonly sandbox: Sandbox;
  readonly view: NetworkView;
  readonly hosts: ReadonlyMap<string, HostAssignment>;
  readonly attachments: readonly LocalAttachment[];
  readonly removed: readonly string[];
  readonly state: NamespaceState;
}

interface HostMemo {
  readonly networks: readonly OverlayNetwork[];
  readonly ports: readonly PublishedPort[];
  readonly hosts: ReadonlyMap<string, HostAssignment>;
  readonly self: string | undefined;
  readonly meshed: readonly LocalAttachment[];
  readonly dataPathPort: number;
  readonly state: NamespaceState;
}

interface TaskMemo {
  readonly attachments: readonly LocalAttachment[];
  readonly state: NamespaceState;
}

interface InterfacesMemo {
  readonly attached: AttachedTask;
  readonly networks: readonly (OverlayNetwork | undefined)[];
  readonly interfaces: TaskInterfaces;
}

const NONE: readonly never[] = [];

export class WantedStates {
  #sandboxes = new Map<string, SandboxMemo>();
  #tasks = new Map<string, TaskMemo>();
  #host: HostMemo | undefined;
  /** Ports by the view of the ingress network, and by task. */
  readonly #ports = new WeakMap<object, PublishedPort[]>();
  #interfaces = new Map<string, InterfacesMemo>();

  /** Tasks whose networks are all known; the others keep what they have. */
  tasks(input: WantedInput): NamespaceState[] {
    const next = new Map<string, TaskMemo>();
    for (const [taskId, attached] of input.tasks) {
      if (usesHostNetwork(attached.task)) continue;
      const { attachments, missing } = this.#interfacesOf(input, attached);
      if (missing.length > 0) continue;
      const old = this.#tasks.get(taskId);
      const kept = reuse(old?.attachments ?? NONE, attachments);
      const { publishesIngress } = attached.task;
      const state =
        old && old.attachments === kept
          ? old.state
          : taskState({ taskId, attachments: kept, publishesIngress });
      next.set(taskId, { attachments: kept, state });
    }
    this.#tasks = next;
    return Array.from(next.values(), ({ state }) => state);
  }

  sandboxes(input: WantedInput): NamespaceState[] {
    const { instance, state } = input;
    const byNetwork = this.#attachmentsByNetwork(input);
    const next = new Map<string, SandboxMemo>();
    for (const [id, view] of input.views) {
      const old = this.#sandboxes.get(id);
      const attachments = reuse(old?.attachments ?? NONE, byNetwork.get(id) ?? NONE);
      const removed = reuse(old?.removed ?? NONE, input.removed(id));
      const same =
        old?.view === view &&
        old.hosts === state.hosts &&
        old.attachments === attachments &&
        old.removed === removed;
      const sandbox = old?.sandbox ?? new Sandbox();
      const made = same
        ? old.state
        : sandbox.state({
            instance,
            network: view.network,
            selfNodeId: state.self?.nodeId,
            hosts: state.hosts,
            endpoints: view.endpoints,
            services: view.services,
            attachments,
            removed,
          });
      next.set(id, { sandbox, view, hosts: state.hosts, attachments, removed, state: made });
    }
    this.#sandboxes = next;
    return Array.from(next.values(), (memo) => memo.state);
  }

  /** After `sandboxes`. */
  host(input: WantedInput, published: readonly PublishedPort[]): NamespaceState {
    const { instance, ownPorts, state, views } = input;
    const { hosts, dataPathPort } = state;
    const self = state.self?.address;
    const old = this.#host;
    const networks = reuse(
      old?.networks ?? NONE,
      Array.from(views.values(), ({ network }) => network),
    );
    const ports = reuse(old?.ports ?? NONE, published);
    const sandboxes = [...this.#sandboxes.values()].filter(({ view }) => view.network.ingress);
    const meshed = reuse(
      old?.meshed ?? NONE,
      sandboxes.flatMap(({ attachments }) => attachments),
    );
    const same =
      old?.networks === networks &&
      old.ports === ports &&
      old.hosts === hosts &&
      old.self === self &&
      old.meshed === meshed &&
      old.dataPathPort === dataPathPort;
    if (same) return old.state;
    const common = { networks, hosts, self, meshed, dataPathPort };
    const made = hostState({ ...common, instance, ownPorts, published });
    this.#host = { ...common, ports, state: made };
    return made;
  }

  /** Ports of the mesh and of tasks here, wanted by anybody. */
  publishedPorts(input: WantedInput): PublishedPort[] {
    const mesh = [...input.views.values()]
      .filter(({ network }) => network.ingress)
      .flatMap((view) => this.#portsOf(view, () => meshPorts(view.services, view.endpoints)));
    const own = [...input.tasks.values()].flatMap((attached) => {
      if (attached.task.hostPorts.length === 0 || usesHostNetwork(attached.task)) return [];
      const interfaces = this.#interfacesOf(input, attached);
      return this.#portsOf(interfaces, () => hostPorts(attached, interfaces));
    });
    // A task that has ended stays attached until it is forgotten. Its port is the next one's, which
    // the managers placed here knowing that.
    const newest = new Map(own.map((port) => [portKey(port), port]));
    return [...mesh, ...newest.values()];
  }

  #portsOf(source: object, make: () => PublishedPort[]): PublishedPort[] {
    const known = this.#ports.get(source);
    if (known) return known;
    const made = make();
    this.#ports.set(source, made);
    return made;
  }

  #attachmentsByNetwork(input: WantedInput): Map<string, LocalAttachment[]> {
    const groups = new Map<string, LocalAttachment[]>();
    for (const taskId of this.#interfaces.keys()) {
      if (!input.tasks.has(taskId)) this.#interfaces.delete(taskId);
    }
    for (const attached of input.tasks.values()) {
      if (usesHostNetwork(attached.task)) continue;
      for (const attachment of this.#interfacesOf(input, attached).attachments) {
        const group = groups.get(attachment.network.id);
        if (group) group.push(attachment);
        else groups.set(attachment.network.id, [attachment]);
      }
    }
    return groups;
  }

  /** The same objects as last time while task and networks are the same. */
  #interfacesOf({ views }: WantedInput, attached: AttachedTask): TaskInterfaces {
    const taskId = attached.task.id;
    const known = this.#interfaces.get(taskId);
    const ids = networkIds(attached.task);
    const networks = ids.map((id) => views.get(id)?.network);
    const same = known?.attached === attached && reuse(known.networks, networks) !== networks;
    if (same) return known.interfaces;
    const found = new Map<string, OverlayNetwork>();
    for (const network of networks) if (network !== undefined) found.set(network.id, network);
    const interfaces = taskInterfaces(attached, found);
    this.#interfaces.set(taskId, { attached, networks, interfaces });
    return interfaces;
  }
}

/** Connections come in through the first network with a way out that is the task's own. */
function hostPorts({ task }: AttachedTask, { attachments }: TaskInterfaces): PublishedPort[] {
  const way = attachments.find(({ network }) => !network.internal && !network.ingress);
  const own = way === undefined ? [] : [way.address, ...(way.ipv6 ? [way.ipv6.address] : [])];
  const addresses = own.map(bareAddress);
  return task.hostPorts.flatMap((config) =>
    publishedPort(config, task.serviceId, false, addresses),
  );
}
