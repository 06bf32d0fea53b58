// What goes wrong: one fault after another, each with an end of its own; `mend` ends them all.
import type { Prng } from 'sim';
import type { Machine } from './machine.ts';
import type { FaultKind } from './options.ts';
import type { World } from './world.ts';

/** A partition that is over at once tests nothing. */
const PARTITION_MIN_MS = 1_000;
const PARTITION_MAX_MS = 12_000;
const LONG_PARTITION_MS = 20_000;

/** Makes the faults that a seed has drawn. */
export class Faults {
  readonly #world: World;
  readonly #random: Prng;
  readonly #kinds: readonly FaultKind[];
  #stopped = false;
  #isolated = false;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.split('faults');
    this.#kinds = [...world.options.faults];
    if (this.#kinds.includes('slowWires')) world.wires.quality.maxDelayMs = 40;
    if (this.#kinds.includes('raftLoss')) world.raftWires.loss.chance = 0.05;
    if (this.#kinds.includes('clockDrift')) {
      for (const machine of world.machines)
        machine.time.rate = this.#random.between(980, 1020) / 1e3;
    }
    this.#later();
  }

  /** Everything works again, and every machine that belongs to the cluster is up. */
  mend(): void {
    this.#stopped = true;
    this.#world.mended = true;
    const { wires, raftWires, machines } = this.#world;
    wires.heal();
    Object.assign(wires.quality, { minDelayMs: 1, maxDelayMs: 2 });
    raftWires.loss.chance = 0;
    for (const machine of machines) {
      machine.process?.resume();
      Object.assign(machine.diskFaults, { syncMs: 2, syncFails: 0, full: false });
      Object.assign(machine.time, { rate: 1, lagMs: 0 });
      machine.start();
    }
  }

  #later(): void {
    const pause = 1 + this.#random.below(2 * this.#world.options.faultEveryMs);
    this.#world.clock.after(pause, () => {
      if (this.#stopped || this.#kinds.length === 0) return;
      this.#make(this.#random.pick(this.#kinds));
      this.#later();
    });
  }

  #make(kind: FaultKind): void {
    const machine = this.#someMachine();
    this.#world.trace.line(`fault ${kind} ${machine.host}`);
    switch (kind) {
      case 'clog':
        return this.#clog(machine);
      case 'partition':
        return this.#partition();
      case 'oneWay':
        return this.#oneWay(machine);
      case 'longPartition':
        return this.#longPartition();
      case 'breakStream':
        return this.#breakStreams();
      case 'killDaemon':
        machine.kill();
        return this.#after(200, 6_000, () => machine.start());
      case 'lostMemory':
        machine.kill();
        machine.forget();
        return this.#after(200, 3_000, () => machine.start());
      case 'powerCut':
        return this.#cutPower(machine);
      case 'pause':
        return this.#pause(machine);
      case 'slowMachine':
        machine.time.lagMs = this.#random.between(20, 300);
        return this.#after(1_000, 8_000, () => (machine.time.lagMs = 0));
      case 'clockJump':
        machine.time.offsetMs += this.#random.between(-60_000, 60_000);
        return;
      case 'slowDisk':
        machine.diskFaults.syncMs = this.#random.between(50, 800);
        return this.#after(500, 6_000, () => (machine.diskFaults.syncMs = 2));
      case 'failingSync':
        machine.diskFaults.syncFails = 0.3;
        return this.#after(200, 3_000, () => (machine.diskFaults.syncFails = 0));
      case 'fullDisk':
        machine.diskFaults.full = true;
        return this.#after(500, 5_000, () => (machine.diskFaults.full = false));
      case 'containerCrash':
        machine.runtime.crashOne();
        return;
      case 'stopLeader':
        return this.#stopLeader();
      default:
    }
  }

  /** Managers as often as all workers together. */
  #someMachine(): Machine {
    const machines = this.#world.machines.filter(({ retired }) => !retired);
    const managers = machines.filter(({ daemon }) => daemon?.manager !== undefined);
    return this.#random.pick(managers.length > 0 && this.#random.chance(0.5) ? managers : machines);
  }

  #after(minMs: number, maxMs: number, body: () => void): void {
    this.#world.clock.after(this.#random.between(minMs, maxMs), () => {
      if (!this.#stopped) body();
    });
  }

  #clog(machine: Machine): void {
    const { wires, machines } = this.#world;
    const other = this.#random.pick(machines);
    wires.clog(machine.host, other.host, this.#random.between(100, 2_000));
    this.#after(1_000, 8_000, () => wires.clog(machine.host, other.host, 0));
  }

  #partition(): void {
    const { wires, machines } = this.#world;
    const chance = this.#random.pick([0.2, 0.5]);
    const inside = new Set(machines.filter(() => this.#random.chance(chance)));
    const pairs = machines.flatMap((a) =>
      machines.flatMap((b) => (inside.has(a) === inside.has(b) ? [] : [[a.host, b.host] as const])),
    );
    for (const [a, b] of pairs) wires.cut(a, b);
    this.#after(PARTITION_MIN_MS, PARTITION_MAX_MS, () => {
      for (const [a, b] of pairs) wires.mend(a, b);
    });
  }

  /** Nothing arrives at this machine, or nothing that it sends. */
  #oneWay(machine: Machine): void {
    const { wires, machines } = this.#world;
    const deaf = this.#random.chance(0.5);
    const pairs = machines
      .filter((other) => other !== machine)
      .map(({ host }) =>
        deaf ? { from: host, to: machine.host } : { from: machine.host, to: host },
      );
    for (const { from, to } of pairs) wires.cut(from, to);
    this.#after(PARTITION_MIN_MS, PARTITION_MAX_MS, () => {
      for (const { from, to } of pairs) wires.mend(from, to);
    });
  }

  /** A worker that is taken for dead while its containers run; one at a time. */
  #longPartition(): void {
    const { wires, machines } = this.#world;
    const lost = this.#random.pick(machines.slice(this.#world.options.managers));
    if (this.#isolated) return;
    this.#isolated = true;
    const others = machines.filter((other) => other !== lost).map(({ host }) => host);
    for (const host of others) {
      wires.cut(host, lost.host);
      wires.cut(lost.host, host);
    }
    this.#after(LONG_PARTITION_MS, 2 * LONG_PARTITION_MS, () => {
      this.#isolated = false;
      for (const host of others) {
        wires.mend(host, lost.host);
        wires.mend(lost.host, host);
      }
    });
  }

  #breakStreams(): void {
    const chance = this.#random.pick([0.1, 0.5, 1]);
    for (const stream of this.#world.streams) {
      if (this.#random.chance(chance)) stream.break('the connection broke');
    }
  }

  /** One machine, or now and then all of them at once. */
  #cutPower(machine: Machine): void {
    const all = this.#random.chance(0.1);
    const hit = all ? this.#world.machines.filter(({ retired }) => !retired) : [machine];
    for (const one of hit) {
      one.cutPower();
      this.#after(500, 8_000, () => one.start());
    }
  }

  #pause(machine: Machine): void {
    const process = machine.process;
    if (process === undefined) return;
    process.pause();
    this.#after(200, 8_000, () => process.resume());
  }

  /** A planned stop: leadership is handed over, then the daemon ends. */
  #stopLeader(): void {
    const leader = this.#world
      .managers()
      .find(({ manager }) => manager.consensus.status.isLeader)?.machine;
    const daemon = leader?.daemon;
    if (leader === undefined || daemon === undefined) return;
    const stopped = (): void => {
      if (leader.daemon !== daemon) return;
      leader.kill();
      this.#world.clock.after(500, () => leader.start());
    };
    void daemon.close().then(stopped, stopped);
  }
}
