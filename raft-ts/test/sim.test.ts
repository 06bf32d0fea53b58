// Groups under faults: every seed draws who crashes, what is lost and who is cut off, and the checkers
// watch all the time. In the end the network heals and the group must agree and go on.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import { emptyBytes, makeConfChange, type ConfChangeSingle, type Message } from '../src/index.ts';
import { SafetyChecker } from './checkers/safety.ts';
import { GroupMember } from './simulated-group.ts';

interface Faults {
  readonly loss: number;
  readonly repeat: number;
  readonly crash: number;
  readonly cut: number;
  readonly compact: number;
  readonly confChange: number;
}

class Group {
  readonly prng: Prng;
  readonly checker = new SafetyChecker();
  readonly members: GroupMember[];
  readonly faults: Faults;
  #wire: Message[] = [];
  #cut = new Set<number>();
  #sequence = 0;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    const draw = this.prng.split('faults');
    const rate = (most: number): number => (draw.chance(0.7) ? (most * draw.below(100)) / 100 : 0);
    this.faults = {
      loss: rate(0.2),
      repeat: rate(0.1),
      crash: rate(0.01),
      cut: rate(0.01),
      compact: rate(0.02),
      confChange: rate(0.02),
    };
    const voters = [1, 2, 3];
    const confState = {
      voters,
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    const first = { index: 1, term: 1, confState, data: emptyBytes };
    this.members = [1, 2, 3, 4, 5].map(
      (id) => new GroupMember(id, first, draw.chance(0.5), this.prng.split(`${id}`), this.checker),
    );
    for (const member of this.members) member.start();
  }

  member(id: number): GroupMember {
    const member = this.members[id - 1];
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  /** One random event. */
  step(): void {
    const { prng, faults } = this;
    const member = prng.pick(this.members);
    const dice = prng.below(10);
    if (dice < 2) member.node?.tick();
    else if (dice < 5) this.deliver(prng.below(this.#wire.length));
    else if (dice < 7) this.send(member.process());
    else if (dice === 7) this.send(member.writeOne());
    else if (dice === 8) this.send(member.applyOne());
    else this.load(member);
    if (prng.chance(faults.crash)) this.crash(member);
    if (member.node === undefined && prng.chance(0.05)) member.start();
    if (prng.chance(faults.cut)) this.#cut.add(member.id);
    if (prng.chance(0.01)) this.#cut.clear();
    if (prng.chance(faults.compact) && member.node !== undefined) member.compact();
  }

  crash(member: GroupMember): void {
    member.crash();
  }

  load(member: GroupMember): void {
    const { prng } = this;
    const text = `${this.#sequence++}`;
    if (prng.chance(0.1)) {
      member.reads.set(text, this.checker.committed);
      member.attempt((node) => node.readIndex(new TextEncoder().encode(text)));
    } else if (prng.chance(0.02)) {
      member.attempt((node) => node.transferLeadership(prng.between(1, 5)));
    } else if (prng.chance(this.faults.confChange * 10)) {
      member.attempt((node) => node.proposeConfChange(this.#randomChange()));
    } else {
      member.attempt((node) => node.propose(new TextEncoder().encode(text)));
    }
  }

  /**
   * Any change that leaves the leader a voter. One that takes the vote from the leader can leave the
   * others with a log that ends before its commit, and with voters that the longer logs outvote.
   */
  #randomChange(): ReturnType<typeof makeConfChange> {
    const { prng } = this;
    const leader = this.leader?.id;
    const changes: ConfChangeSingle[] = Array.from({ length: prng.between(1, 3) }, () => {
      const memberId = prng.between(1, 5);
      const types =
        memberId === leader
          ? (['addVoter'] as const)
          : (['addVoter', 'addVoter', 'addLearner', 'removeMember'] as const);
      return { type: prng.pick(types), memberId };
    });
    return makeConfChange(changes, { transition: prng.pick(['auto', 'implicit'] as const) });
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      const cut = this.#cut.has(message.from) || this.#cut.has(message.to);
      if (message.type === 'MsgSnap') {
        // The host must report every snapshot, or its leader waits for ever.
        const ok = !cut && !this.prng.chance(0.2) && this.freshEnough(message);
        this.member(message.from).attempt((node) => node.reportSnapshot(message.to, ok));
        if (!ok) continue;
      } else if (cut || this.prng.chance(this.faults.loss)) {
        continue;
      }
      this.#wire.push(message);
      if (this.prng.chance(this.faults.repeat)) this.#wire.push(message);
    }
    // A wire holds only so much.
    if (this.#wire.length > 500) this.#wire.splice(0, 100);
  }

  /** A member refuses a snapshot that is older than its membership: a newer one is made for it. */
  freshEnough(message: Message): boolean {
    const state = message.snapshot?.confState;
    const members = [
      ...(state?.voters ?? []),
      ...(state?.votersOutgoing ?? []),
      ...(state?.learners ?? []),
    ];
    if (members.includes(message.to)) return true;
    this.member(message.from).compact();
    return false;
  }

  deliver(position: number): void {
    const [message] = this.#wire.splice(position, 1);
    if (message === undefined || this.#cut.has(message.to)) return;
    this.member(message.to).step(message);
  }

  /** No more faults: everything is delivered in order, time passes. */
  calmRound(): void {
    this.#cut.clear();
    for (const member of this.members) {
      if (member.node === undefined) member.start();
      member.node?.tick();
    }
    // A leader that is no voter any more must be told to hand over.
    const { leader } = this;
    const successor = leader?.confState.voters[0];
    if (successor !== undefined && leader?.confState.voters.includes(leader.id) === false) {
      leader.attempt((node) => node.transferLeadership(successor));
    }
    for (let busy = true; busy;) {
      busy = false;
      for (const member of this.members) {
        const out = [...member.process(), ...member.writeOne(), ...member.applyOne()];
        if (out.length > 0) busy = true;
        for (const message of out) {
          const ok = message.type !== 'MsgSnap' || this.freshEnough(message);
          if (message.type === 'MsgSnap') {
            this.member(message.from).attempt((node) => node.reportSnapshot(message.to, ok));
          }
          if (ok) this.#wire.push(message);
        }
        if (member.node?.hasReady() === true || member.appendWork.length > 0) busy = true;
        if (member.applyWork.length > 0) busy = true;
      }
      while (this.#wire.length > 0) {
        this.deliver(0);
        busy = true;
      }
    }
  }

  /** The leader whose membership everybody of it has applied. */
  get leader(): GroupMember | undefined {
    const leaders = this.members.filter((member) => member.node?.isLeader === true);
    return leaders.toSorted((a, b) => (b.node?.term ?? 0) - (a.node?.term ?? 0))[0];
  }
}

function agreed(group: Group): boolean {
  const { leader } = group;
  if (leader === undefined) return false;
  const { voters, votersOutgoing, learners } = leader.confState;
  if (votersOutgoing.length > 0) return false;
  const expected = JSON.stringify(leader.state);
  return [...voters, ...learners].every(
    (id) => JSON.stringify(group.member(id).state) === expected,
  );
}

function runSeed(seed: number): Group {
  const group = new Group(seed);
  for (let i = 0; i < 6000; i++) group.step();
  let marked = false;
  for (let round = 0; round < 400; round++) {
    group.calmRound();
    if (!marked && group.leader !== undefined) {
      group.leader.attempt((node) => {
        node.propose(new TextEncoder().encode('the end'));
        marked = true;
      });
    }
    const end = group.leader?.state.some(([, text]) => text === 'the end') === true;
    if (marked && end && agreed(group)) return group;
    // Whoever it was proposed to may have lost the lead.
    if (round % 50 === 49) marked = false;
  }
  throw new Error('the group did not agree after the network had healed');
}

describe('a group under faults keeps what Raft promises', () => {
  const seeds = Number(process.env['RAFT_SEEDS'] ?? 60);
  const first = Number(process.env['RAFT_FIRST_SEED'] ?? 1);
  for (let seed = first; seed < first + seeds; seed++) {
    it(`seed ${seed}`, () => {
      const group = runSeed(seed);
      expect(group.checker.committed).toBeGreaterThan(1);
    });
  }
});
