// The faults of this size. Each is drawn, done, and undone later; a machine is lost for good only by
// a flipped bit, and only while the others can do without it.
import type { Prng } from 'sim';
import type { Machine } from './machine.ts';
import type { Fault } from './options.ts';
import type { World } from './world.ts';

/** Does one fault after another. */
export class Faults {
  readonly #world: World;
  readonly #prng: Prng;
  /** How often each was done. */
  readonly counts = new Map<Fault, number>();

  constructor(world: World, prng: Prng) {
    this.#world = world;
    this.#prng = prng;
  }

  /** Faults until the time is up; machines that ended are started again as an init system does. */
  async run(): Promise<void> {
    const { faults, faultPhaseMs, faultPauseMs } = this.#world.options;
    const end = this.#world.clock.monotonicMs() + faultPhaseMs;
    while (this.#world.clock.monotonicMs() < end) {
      await this.#world.pass(this.#prng.between(1, faultPauseMs));
      if (faults.length > 0) await this.#do(this.#prng.pick(faults));
      await this.#tend();
    }
  }

  async #do(fault: Fault): Promise<void> {
    const machine = this.#prng.pick(this.#world.present);
    const done = await this.#carryOut(fault, machine);
    if (!done) return;
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
  }

  async #carryOut(fault: Fault, machine: Machine): Promise<boolean> {
    switch (fault) {
      case 'kill':
        return this.#kill(machine);
      case 'power-loss':
        return this.#powerLoss(machine);
      case 'pause':
        return this.#pause(machine);
      case 'partition':
        return this.#partition();
      case 'one-way-cut':
        return this.#oneWayCut(machine);
      case 'connection-break':
        return this.#connectionBreak(machine);
      case 'message-loss':
        return this.#messageLoss();
      case 'slow-disk':
        return this.#slowDisk(machine);
      case 'busy-owner':
        return this.#busyOwner(machine);
      case 'sync-failure':
        return this.#syncFailure(machine);
      case 'full-disk':
        return this.#fullDisk(machine);
      case 'flipped-bit':
        return this.#flippedBit(machine);
      case 'clock-jump':
        return this.#clockJump(machine);
      case 'membership':
        return this.#membership(machine);
      case 'left-behind':
        return this.#leftBehind();
      case 'transfer':
        return this.#transfer(machine);
      default:
        return this.#plannedStop(machine);
    }
  }

  #kill(machine: Machine): boolean {
    if (!machine.up) return false;
    this.#line(`${machine.name} is killed`);
    machine.kill();
    return true;
  }

  #powerLoss(machine: Machine): boolean {
    const all = this.#prng.chance(0.25);
    for (const victim of all ? this.#world.present : [machine]) {
      this.#line(`${victim.name} loses its power`);
      victim.losePower(this.#prng);
    }
    return true;
  }

  #pause(machine: Machine): boolean {
    const { process } = machine;
    if (process === undefined) return false;
    const forMs = this.#prng.between(50, 4000);
    this.#line(`${machine.name} pauses for ${forMs} ms`);
    process.pause();
    this.#world.clock.after(forMs, () => process.resume());
    return true;
  }

  #partition(): boolean {
    const ids = this.#world.present.map((machine) => machine.self.raftId);
    const side = new Set(ids.filter(() => this.#prng.chance(0.5)));
    this.#line(`partition: ${[...side].join(',')} | others`);
    this.#world.links.heal();
    for (const a of ids) {
      for (const b of ids) if (side.has(a) !== side.has(b)) this.#world.links.cut(a, b);
    }
    this.#healLater();
    return true;
  }

  #oneWayCut(machine: Machine): boolean {
    const other = this.#prng.pick(this.#world.present);
    if (other === machine) return false;
    this.#line(`${machine.name} is not heard by ${other.name}`);
    this.#world.links.cut(machine.self.raftId, other.self.raftId);
    this.#healLater();
    return true;
  }

  #healLater(): void {
    const forMs = this.#prng.between(300, 5000);
    this.#world.clock.after(forMs, () => this.#world.links.heal());
  }

  #connectionBreak(machine: Machine): boolean {
    const other = this.#prng.pick(this.#world.present);
    if (other === machine) return false;
    this.#line(`connection of ${machine.name} and ${other.name} breaks`);
    this.#world.links.break(machine.self.raftId, other.self.raftId);
    return true;
  }

  #messageLoss(): boolean {
    const { condition } = this.#world.links;
    condition.loss = this.#prng.pick([0, 0.02, 0.2]);
    condition.repeat = this.#prng.pick([0, 0.05]);
    condition.delayMsMax = this.#prng.pick([1, 5, 40, 300]);
    this.#line(`network: ${JSON.stringify(condition)}`);
    return true;
  }

  #slowDisk(machine: Machine): boolean {
    machine.condition.syncMsMax = this.#prng.pick([1, 20, 200, 1500]);
    this.#line(`${machine.name} syncs within ${machine.condition.syncMsMax} ms`);
    return true;
  }

  #busyOwner(machine: Machine): boolean {
    machine.condition.ownerBusyMsMax = this.#prng.pick([0, 10, 100, 600]);
    this.#line(`${machine.name}'s owner is late by up to ${machine.condition.ownerBusyMsMax} ms`);
    return true;
  }

  #syncFailure(machine: Machine): boolean {
    this.#line(`${machine.name}'s next sync fails`);
    machine.condition.failNextSync = true;
    return true;
  }

  #fullDisk(machine: Machine): boolean {
    const room = this.#prng.below(2 * this.#world.options.segmentBytes);
    const { disk } = machine;
    disk.capacityBytes = disk.usedBytes + room;
    this.#line(`${machine.name} has room for ${room} bytes`);
    this.#world.clock.after(this.#prng.between(500, 5000), () => {
      disk.capacityBytes = Infinity;
    });
    return true;
  }

  /** One bit of what is durable, of a machine that is down; the group must be able to lose it. */
  #flippedBit(machine: Machine): boolean {
    const voters = this.#world.leader?.status?.voters ?? [];
    const spare = this.#world.present.every((one) => one.flipped === 'no' && !one.leaving);
    if (!spare || voters.length < 3 || voters.length < this.#world.present.length) return false;
    machine.losePower(this.#prng);
    const files = machine.disk
      .paths()
      .filter((path) => path.endsWith('.log') || path.endsWith('.snap'));
    if (files.length === 0) return false;
    const path = this.#prng.pick(files);
    const size = machine.disk.sizeOf(path);
    // Most of a segment is room that was never written.
    const position = this.#prng.below(this.#prng.chance(0.7) ? Math.min(size, 3000) : size);
    this.#line(`${machine.name} loses its power and a bit of ${path} at ${position}`);
    machine.disk.flipBit(path, position, this.#prng.below(8));
    machine.flipped = 'unnoticed';
    return true;
  }

  #clockJump(machine: Machine): boolean {
    machine.time.offsetMs += this.#prng.between(-3_600_000, 3_600_000);
    this.#line(`${machine.name}'s clock jumps`);
    return true;
  }

  async #membership(machine: Machine): Promise<boolean> {
    const size = this.#world.present.length;
    const whole = this.#world.present.every((one) => one.flipped === 'no');
    if (size >= 2 && whole && this.#prng.chance(0.5)) await this.#world.shrink(machine);
    else if (size < 6) await this.#world.enlarge();
    return true;
  }

  /**
   * A member that is slow to apply a change of the membership hears nothing meanwhile, and then gets
   * a snapshot of what it missed.
   */
  async #leftBehind(): Promise<boolean> {
    const { clock, links, leader, present } = this.#world;
    const followers = present.filter((one) => one.up && one !== leader);
    const whole = present.every((one) => one.flipped === 'no');
    if (leader === undefined || followers.length === 0 || !whole) return false;
    const machine = this.#prng.pick(followers);
    const [a, b] = [leader.self.raftId, machine.self.raftId];
    machine.condition.ownerStallsUntilMs = clock.monotonicMs() + this.#prng.between(1500, 6000);
    this.#line(`${machine.name} is left behind by ${leader.name}`);
    // By then it has the change; a leader that hears nothing for an election's time steps down.
    clock.after(this.#prng.between(100, 600), () => {
      links.cut(a, b);
      links.cut(b, a);
      clock.after(this.#prng.between(300, 2000), () => {
        links.heal();
        links.break(a, b);
      });
    });
    if (present.length < 6) await this.#world.enlarge();
    else await this.#world.shrink(this.#prng.pick(present.filter((one) => one !== machine)));
    return true;
  }

  #transfer(machine: Machine): boolean {
    const leader = this.#world.leader;
    if (leader?.consensus === undefined) return false;
    const to = this.#prng.chance(0.5) ? machine.self.raftId : undefined;
    this.#line(`${leader.name} is to hand over to ${to ?? 'anybody'}`);
    leader.consensus.transferLeadership(to).catch(() => {});
    return true;
  }

  #plannedStop(machine: Machine): boolean {
    if (machine.consensus === undefined) return false;
    this.#line(`${machine.name} is stopped`);
    machine.stop().catch(() => {});
    return true;
  }

  /** What an init system and an operator do: start what is down, replace what is damaged. */
  async #tend(): Promise<void> {
    for (const machine of this.#world.present) {
      if (machine.flipped === 'reported') await replace(this.#world, machine);
      else if (!machine.up && this.#prng.chance(0.4)) await this.#world.restart(machine);
    }
  }

  #line(text: string): void {
    this.#world.line(text);
  }
}

/** A machine whose log is damaged leaves, another comes. */
export async function replace(world: World, machine: Machine): Promise<void> {
  if (await world.shrink(machine)) await world.enlarge();
}
