// Users at work: each asks some manager for something, waits for the answer, and asks again. What they
// do to registers (services and configs whose label is one) is recorded for the linearizability check.
import type { Prng } from 'sim';
import type { Manager } from '../../../src/manager/index.ts';
import {
  specIndexOf,
  type Config,
  type Node,
  type NodeSpec,
  type Service,
  type ServiceSpec,
} from '../../../src/model/index.ts';
import { atManager, request, type History, type Outcome } from './client.ts';
import type { Machine } from './machine.ts';
import type { LoadKind } from './options.ts';
import { WRITE_LABEL, aNetwork, aPayload, aService, anImage } from './specs.ts';
import type { World } from './world.ts';

const SERVICES_MAX = 6;
const NETWORKS_MAX = 4;
/** So few that their addresses are used again and again. */
const SMALL_NETWORKS_MAX = 2;
const MACHINES_MAX = 26;
/** Services with such a name are registers: nothing but their clients changes their label. */
const REGISTER = 'reg-';

type Act = (machine: Machine, manager: Manager) => Promise<void>;

/** One client. */
export class LoadClient {
  readonly #name: string;
  readonly #world: World;
  readonly #history: History;
  readonly #random: Prng;
  readonly #acts: Act[];
  #stopped = false;
  #busy = false;

  constructor(name: string, world: World, history: History) {
    this.#name = name;
    this.#world = world;
    this.#history = history;
    this.#random = world.random.split(name);
    this.#acts = this.#choose();
    this.#later();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** A request is on its way. */
  get busy(): boolean {
    return this.#busy;
  }

  #later(): void {
    const pause = 1 + this.#random.below(2 * this.#world.options.requestEveryMs);
    this.#world.clock.after(pause, () => void this.#turn());
  }

  async #turn(): Promise<void> {
    if (this.#stopped) return;
    const ready = this.#world.managers().filter(({ manager }) => manager.caughtUp);
    if (ready.length > 0) {
      const { machine, manager } = this.#random.pick(ready);
      this.#busy = true;
      await this.#random.pick(this.#acts)(machine, manager);
      this.#busy = false;
    }
    this.#later();
  }

  /** What this seed's clients do; the commoner, the more often in the list. */
  #choose(): Act[] {
    const create: Act = (machine, manager) => this.#create(machine, manager);
    const read: Act = (machine) => this.#read(machine);
    const config: Act = (machine, manager) => this.#config(machine, manager);
    const acts = [create, create, read, read, config];
    const optional: Partial<Record<LoadKind, readonly Act[]>> = {
      scale: [(machine, manager) => this.#scale(machine, manager)],
      update: [
        (machine, manager) => this.#update(machine, manager),
        (machine, manager) => this.#update(machine, manager),
      ],
      rollback: [(machine, manager) => this.#rollBack(machine, manager)],
      remove: [(machine, manager) => this.#remove(machine, manager)],
      networks: [(machine, manager) => this.#network(machine, manager)],
      secrets: [(machine, manager) => this.#secret(machine, manager)],
      drain: [(machine, manager) => this.#availability(machine, manager)],
      roles: [(machine, manager) => this.#role(machine, manager)],
      removeNode: [(machine, manager) => this.#removeNode(machine, manager)],
      join: [async () => this.#joinMachine()],
      resume: [(machine, manager) => this.#resume(machine, manager)],
      replace: [(machine, manager) => this.#replace(machine, manager)],
      history: [(machine, manager) => this.#limitHistory(machine, manager)],
    };
    for (const load of this.#world.options.loads) acts.push(...(optional[load] ?? []));
    return acts;
  }

  async #create(machine: Machine, { view }: Manager): Promise<void> {
    if (view.count('service') >= SERVICES_MAX) return;
    const register = this.#random.chance(0.5);
    const name = `${register ? REGISTER : 'svc-'}${this.#random.below(SERVICES_MAX)}`;
    if (view.byName('service', name) !== undefined) return;
    const called = this.#history.instant();
    const made = aService(this.#random, this.#world.options, view, name, String(called));
    const spec = register ? asRegister(made) : made;
    const outcome = await request(this.#world, machine, 'service.create', { spec });
    if (register) this.#record(`service/${name}`, 0, called, called, outcome);
  }

  async #change(
    machine: Machine,
    service: Service,
    change: (spec: ServiceSpec) => ServiceSpec,
  ): Promise<void> {
    const { id } = service;
    const version = specIndexOf(service);
    const { Name, Labels } = service.spec;
    const called = this.#history.instant();
    const spec = change({ ...service.spec, Labels: { [WRITE_LABEL]: String(called) } });
    const outcome = await request(this.#world, machine, 'service.update', { id, version, spec });
    if (!Name.startsWith(REGISTER)) return;
    this.#record(`service/${Name}`, Number(Labels?.[WRITE_LABEL]), called, called, outcome);
  }

  async #scale(machine: Machine, { view }: Manager): Promise<void> {
    const service = this.#some(view.all('service'));
    if (service?.spec.Mode.Replicated === undefined) return;
    const Replicas = this.#random.below(8);
    await this.#change(machine, service, (spec) => ({
      ...spec,
      Mode: { Replicated: { Replicas } },
    }));
  }

  async #update(machine: Machine, { view }: Manager): Promise<void> {
    const service = this.#some(view.all('service'));
    if (service === undefined) return;
    const { options } = this.#world;
    const other = aService(this.#random, options, view, service.spec.Name, '');
    const Image = anImage(this.#random, options);
    await this.#change(machine, service, (spec) => {
      const ContainerSpec = { ...spec.TaskTemplate.ContainerSpec, Image };
      const next = this.#random.chance(0.3)
        ? { ...other, Mode: spec.Mode, ...(spec.Labels ? { Labels: spec.Labels } : {}) }
        : { ...spec, TaskTemplate: { ...spec.TaskTemplate, ContainerSpec } };
      return spec.Name.startsWith(REGISTER) ? asRegister(next) : next;
    });
  }

  /** An update without a change. */
  async #resume(machine: Machine, { view }: Manager): Promise<void> {
    const paused = [...view.all('service')].filter(
      ({ updateStatus }) => updateStatus?.state.endsWith('paused') === true,
    );
    const service = this.#some(paused);
    if (service !== undefined) await this.#change(machine, service, (spec) => spec);
  }

  /** An update of the placement alone. */
  async #replace(machine: Machine, { view }: Manager): Promise<void> {
    const service = this.#some(view.all('service'));
    const node = this.#some(view.all('node'));
    if (service === undefined || node === undefined) return;
    const Constraints = this.#random.chance(0.3) ? [] : [`node.id!=${node.id}`];
    await this.#change(machine, service, (spec) => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, Placement: { Constraints } },
    }));
  }

  async #limitHistory(machine: Machine, { view }: Manager): Promise<void> {
    const { cluster } = view;
    if (cluster === undefined) return;
    const Orchestration = { TaskHistoryRetentionLimit: this.#random.pick([0, 0, 1, 5]) };
    const version = specIndexOf(cluster);
    const spec = { ...cluster.spec, Orchestration };
    await request(this.#world, machine, 'cluster.update', { version, spec });
  }

  async #rollBack(machine: Machine, { view }: Manager): Promise<void> {
    const service = this.#some(view.all('service'));
    if (service === undefined || service.spec.Name.startsWith(REGISTER)) return;
    const { id, spec } = service;
    const version = specIndexOf(service);
    await request(this.#world, machine, 'service.update', { id, version, spec, rollback: true });
  }

  async #remove(machine: Machine, { view }: Manager): Promise<void> {
    const service = this.#some(view.all('service'));
    if (service === undefined) return;
    const { Name } = service.spec;
    const called = this.#history.instant();
    const outcome = await request(this.#world, machine, 'service.remove', { id: service.id });
    if (!Name.startsWith(REGISTER) || outcome.kind === 'refused') return;
    const answered = outcome.kind === 'done' ? this.#history.instant() : undefined;
    const operation = { kind: 'write', value: 0 } as const;
    this.#history.add(this.#name, `service/${Name}`, operation, called, answered);
  }

  async #network(machine: Machine, { view }: Manager): Promise<void> {
    const networks = [...view.all('network')].filter(({ spec }) => spec.Ingress !== true);
    const max = this.#world.options.smallNetworks ? SMALL_NETWORKS_MAX : NETWORKS_MAX;
    if (networks.length >= max || this.#random.chance(0.2)) {
      const network = this.#some(networks);
      if (network === undefined) return;
      await request(this.#world, machine, 'network.remove', { id: network.id });
      return;
    }
    const spec = aNetwork(this.#random, this.#world.options, `net-${this.#history.instant()}`);
    await request(this.#world, machine, 'network.create', { spec });
  }

  async #secret(machine: Machine, { view }: Manager): Promise<void> {
    const secret = this.#some(view.all('secret'));
    if (secret !== undefined && this.#random.chance(0.3)) {
      await request(this.#world, machine, 'secret.remove', { id: secret.id });
      return;
    }
    const spec = aPayload('secret', `secret-${this.#history.instant()}`);
    await request(this.#world, machine, 'secret.create', { spec });
  }

  /** Configs are registers, too: their label is what was written last. */
  async #config(machine: Machine, { view }: Manager): Promise<void> {
    const name = `config-${this.#random.below(2)}`;
    const config = view.byName('config', name);
    const called = this.#history.instant();
    const Labels = { [WRITE_LABEL]: String(called) };
    const key = `config/${name}`;
    if (config === undefined) {
      const spec = { ...aPayload('config', name), Labels };
      const outcome = await request(this.#world, machine, 'config.create', { spec });
      return this.#record(key, 0, called, called, outcome);
    }
    const { id } = config;
    const version = specIndexOf(config);
    const spec = { ...config.spec, Labels };
    const outcome = await request(this.#world, machine, 'config.update', { id, version, spec });
    return this.#record(key, labelOf(config), called, called, outcome);
  }

  /** A confirmed read of one register, through whichever manager. */
  async #read(machine: Machine): Promise<void> {
    const service = this.#random.chance(0.6);
    const name = service
      ? `${REGISTER}${this.#random.below(SERVICES_MAX)}`
      : `config-${this.#random.below(2)}`;
    await this.readRegister(machine, service ? 'service' : 'config', name);
  }

  /** Reads every register there is. */
  async readAll(machine: Machine): Promise<void> {
    for (let i = 0; i < SERVICES_MAX; i++) {
      await this.readRegister(machine, 'service', `${REGISTER}${i}`);
    }
    for (let i = 0; i < 2; i++) await this.readRegister(machine, 'config', `config-${i}`);
  }

  /** Records what a manager says of a register after it has confirmed that it is up to date. */
  async readRegister(machine: Machine, table: 'service' | 'config', name: string): Promise<void> {
    const called = this.#history.instant();
    const outcome = await atManager(this.#world, machine, async (manager) => {
      await manager.consensus.barrier();
      return labelOf(manager.view.byName(table, name));
    });
    if (outcome.kind !== 'done') return;
    const operation = { kind: 'read', value: outcome.value } as const;
    const answered = this.#history.instant();
    this.#history.add(this.#name, `${table}/${name}`, operation, called, answered);
  }

  async #availability(machine: Machine, { view }: Manager): Promise<void> {
    await this.#changeNode(machine, view.all('node'), (spec) => ({
      ...spec,
      Availability: this.#random.pick(['active', 'active', 'drain', 'pause'] as const),
    }));
  }

  async #role(machine: Machine, { view }: Manager): Promise<void> {
    // The first one stays: a node that slept while all managers changed would know nobody any more.
    const others = [...view.all('node')].filter(({ id }) => id !== this.#world.machines[0]?.nodeId);
    const managers = others.filter(({ spec }) => spec.Role === 'manager');
    const promote = managers.length < 2 || this.#random.chance(0.4);
    const from = promote ? others : managers;
    await this.#changeNode(machine, from, (spec) => ({
      ...spec,
      Role: promote ? 'manager' : 'worker',
    }));
  }

  async #changeNode(
    machine: Machine,
    nodes: Iterable<Node>,
    change: (spec: NodeSpec) => NodeSpec,
  ): Promise<void> {
    const node = this.#some(nodes);
    if (node === undefined) return;
    const { id } = node;
    const version = specIndexOf(node);
    await request(this.#world, machine, 'node.update', { id, version, spec: change(node.spec) });
  }

  /** As the manual says: the machine leaves, then the node is removed. */
  async #removeNode(machine: Machine, { view }: Manager): Promise<void> {
    const workers = this.#world.machines.filter(
      ({ daemon, nodeId, retired }) =>
        daemon?.agent !== undefined &&
        !retired &&
        daemon.manager === undefined &&
        view.get('node', nodeId ?? '')?.spec.Role === 'worker',
    );
    const leaving = this.#some(workers);
    const nodeId = leaving?.nodeId;
    if (leaving === undefined || nodeId === undefined || workers.length < 2) return;
    if (!(await leaving.leave())) return;
    await request(this.#world, machine, 'node.remove', { id: nodeId, force: true });
  }

  #joinMachine(): void {
    if (this.#world.machines.length >= MACHINES_MAX || !this.#random.chance(0.3)) return;
    this.#world.addMachine({ join: this.#random.chance(0.2) ? 'manager' : 'worker' }).start();
  }

  #some<T>(all: Iterable<T>): T | undefined {
    const list = [...all];
    return list.length === 0 ? undefined : this.#random.pick(list);
  }

  /** A refusal says nothing: it may come from a leader that is none any more. */
  #record(
    key: string,
    expected: number,
    value: number,
    called: number,
    outcome: Outcome<unknown>,
  ): void {
    if (outcome.kind === 'refused') return;
    const operation = { kind: 'cas', expected, value, succeeded: true } as const;
    const answered = outcome.kind === 'done' ? this.#history.instant() : undefined;
    this.#history.add(this.#name, key, operation, called, answered);
  }
}

function labelOf(object: Service | Config | undefined): number {
  return Number(object?.spec.Labels?.[WRITE_LABEL] ?? 0);
}

/** A failed update of a register pauses: a rollback would change its label. */
function asRegister(spec: ServiceSpec): ServiceSpec {
  const FailureAction = 'pause' as const;
  return { ...spec, UpdateConfig: { Parallelism: 1, ...spec.UpdateConfig, FailureAction } };
}
