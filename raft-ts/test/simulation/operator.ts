// What people and hosts do with a group: change its membership, hand leadership over, compact logs,
// stop members that were removed. It keeps to what the README asks of a host.
import type { Prng } from 'sim';
import {
  makeConfChange,
  type ConfChange,
  type ConfChangeSingle,
  type ConfState,
} from '../../src/index.ts';
import { cutOff, every } from './faults.ts';
import type { Member } from './member.ts';
import type { World } from './world.ts';

/** No message is on its way for longer. */
const MAX_REQUEST_MS = 1000;

/** The operator of one group. */
export class Operator {
  readonly #world: World;
  readonly #prng: Prng;
  /** The newest membership that somebody has applied, and since which index it is in force. */
  confState: ConfState;
  #confIndex = 1;
  /** The voters before the newest membership. */
  #before: readonly number[] = [];
  /** When a change was last asked for; it may be under way for long. */
  #lastAsked = -Infinity;

  constructor(world: World, prng: Prng) {
    this.#world = world;
    this.#prng = prng;
    this.confState = world.member(1).machine.confState;
    world.membershipApplied = (member, index) => this.#applied(member, index);
  }

  #applied(member: Member, index: number): void {
    const isNews = index > this.#confIndex;
    const { voters } = this.confState;
    if (isNews) {
      this.#before = voters;
      this.#confIndex = index;
      this.confState = member.machine.confState;
    }
    // The leader is the first to know, new voters are the first who can do harm with it.
    const isNew = !this.#before.includes(member.id);
    const { isCalm, options } = this.#world;
    if (isCalm || !(isNews || isNew) || !this.#prng.chance(options.faults.cutMembership)) return;
    this.#cutMembership(isNews ? member.id : undefined);
  }

  /** Starts everything that the seed wants. */
  start(): void {
    const { faults } = this.#world.options;
    const on = (mean: number, act: (member: Member) => void): void => {
      every(this.#world, this.#prng, mean, () => act(this.#someone()));
    };
    // Some runs come to rest before the end, so that it is known who is needed.
    const until = this.#world.options.faultMs * (this.#prng.chance(0.5) ? 0.4 : 1);
    on(faults.confChange, (member) => {
      if (this.#world.queue.now > until) return;
      if (this.#prng.chance(0.3)) this.#askForMany(member);
      else this.#changeMembership(member, this.#drawChange());
    });
    on(faults.confChange * 3, () => this.stopRemoved(0.3));
    on(faults.transfer, (member) => this.#transfer(member));
    on(faults.forgetLeader, (member) => member.attempt((node) => node.forgetLeader()));
    on(faults.campaign, (member) => member.attempt((node) => node.campaign()));
    on(faults.compact, (member) => this.#compact(member));
    every(this.#world, this.#prng, 100, () => this.keepHouse());
  }

  #someone(): Member {
    const { leader, members } = this.#world;
    return leader !== undefined && this.#prng.chance(0.5) ? leader : this.#prng.pick(members);
  }

  #transfer(member: Member): void {
    const to = this.#prng.pick(this.#world.members).id;
    member.attempt((node) => node.transferLeadership(to));
  }

  #compact(member: Member): void {
    member.takeSnapshot();
    member.storage.compact(member.storage.current.index - this.#prng.below(6));
  }

  /** Several changes at once: all but the first must be refused until it is in force. */
  #askForMany(member: Member): void {
    for (const { id, isGone } of this.#world.members) {
      if (isGone) continue;
      const isVoter = this.confState.voters.includes(id);
      if (isVoter && this.#prng.chance(0.8)) continue;
      const type = isVoter ? 'removeMember' : 'addVoter';
      this.#changeMembership(member, makeConfChange([{ type, memberId: id }]));
    }
  }

  #changeMembership(member: Member, change: ConfChange): void {
    const text = change.changes.map(({ type, memberId }) => `${type} ${memberId}`).join(', ');
    const taken = member.attempt((node) => node.proposeConfChange(change));
    this.#lastAsked = this.#world.queue.now;
    this.#world.line(`${member.id} asked to ${change.transition} ${text}: ${String(taken)}`);
  }

  /** Old voters on one side, new ones on the other; one of the old may stand with the new. */
  #cutMembership(leader: number | undefined): void {
    const fresh = this.confState.voters.filter((id) => !this.#before.includes(id));
    const mover = leader ?? this.#prng.pick(this.#before);
    const withMover = this.#prng.chance(0.7) ? [...fresh, mover] : fresh;
    cutOff(this.#world, this.#prng, withMover);
  }

  /** New voters for most of the old ones, all at once. */
  #drawReplacement(candidates: readonly Member[]): ConfChange {
    const prng = this.#prng;
    const { voters } = this.confState;
    const changes: ConfChangeSingle[] = [];
    for (const { id } of candidates) {
      const isVoter = voters.includes(id);
      if (isVoter && prng.chance(0.6)) {
        const type = prng.pick(['removeMember', 'addLearner'] as const);
        changes.push({ type, memberId: id });
      } else if (!isVoter && prng.chance(0.8)) changes.push({ type: 'addVoter', memberId: id });
    }
    return makeConfChange(changes, { transition: prng.pick(['implicit', 'explicit'] as const) });
  }

  #drawChange(): ConfChange {
    const { members } = this.#world;
    const prng = this.#prng;
    const candidates = members.filter(({ isGone }) => !isGone);
    if (prng.chance(0.4)) return this.#drawReplacement(candidates);
    const changes: ConfChangeSingle[] = Array.from({ length: prng.between(1, 3) }, () => ({
      type: prng.pick(['addVoter', 'addVoter', 'addLearner', 'removeMember'] as const),
      memberId: prng.pick(candidates).id,
    }));
    const transition = prng.pick(['auto', 'auto', 'implicit', 'explicit'] as const);
    return makeConfChange(prng.chance(0.4) ? changes.slice(0, 1) : changes, { transition });
  }

  /** True while a membership change may be on its way: in a message, or in a log and not in force. */
  get mayChange(): boolean {
    if (this.#world.queue.now - this.#lastAsked < MAX_REQUEST_MS) return true;
    return this.#world.members.some(({ isGone, machine, storage, node }) => {
      if (isGone) return false;
      if ((node?.lastIndex ?? 0) > storage.lastIndex()) return true;
      const rest = storage.entries(storage.firstIndex(), storage.lastIndex() + 1, Infinity) ?? [];
      return rest.some(({ type, index }) => type !== 'normal' && index > machine.confIndex);
    });
  }

  /** What a host does by itself: leave the joint phase, hand over a lead without a vote. */
  keepHouse(): void {
    const { leader } = this.#world;
    if (leader === undefined) return;
    const { voters, votersOutgoing, autoLeave } = leader.machine.confState;
    if (votersOutgoing.length > 0 && !autoLeave) {
      leader.attempt((node) => node.proposeConfChange(makeConfChange([])));
    }
    if (!voters.includes(leader.id) && !votersOutgoing.includes(leader.id)) {
      const successor = this.#prng.pick(voters);
      leader.attempt((node) => node.transferLeadership(successor));
    }
  }

  /**
   * Stops members that do not belong to the group any more, for good: only once a majority of those
   * who do has put the change in force, and will still know after a crash.
   */
  stopRemoved(chance: number): void {
    const { voters, votersOutgoing, learners } = this.confState;
    if (votersOutgoing.length > 0 || this.mayChange) return;
    const knowing = voters.filter((id) => {
      const { storage, machine, node } = this.#world.member(id);
      const isApplied = machine.confIndex >= this.#confIndex && node !== undefined;
      return isApplied && storage.durable.hardState.commit >= this.#confIndex;
    });
    if (knowing.length * 2 <= voters.length) return;
    for (const member of this.#world.members) {
      const belongs = voters.includes(member.id) || learners.includes(member.id);
      const isFresh = member.storage.lastIndex() === 0;
      if (belongs || member.isGone || isFresh || !this.#prng.chance(chance)) continue;
      if (member.node !== undefined) member.crash();
      member.isGone = true;
      this.#world.line(`${member.id} is gone`);
    }
  }
}
