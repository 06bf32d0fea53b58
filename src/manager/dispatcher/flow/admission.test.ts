import { VirtualClock, settle } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { Admission, type Applicant } from './admission.ts';

const LIMITS = { underWay: 2, waiting: 3, waitEveryMs: 1_000 };

let clock: VirtualClock;
let admission: Admission;
/** Names of those whose registration is under way, and how to end it. */
let underWay: Map<string, () => void>;
let reminded: string[];

beforeEach(() => {
  clock = new VirtualClock();
  admission = new Admission(clock, LIMITS);
  underWay = new Map();
  reminded = [];
});

function applicant(name: string): Applicant {
  return {
    register: () => new Promise((resolve) => underWay.set(name, resolve)),
    wait: () => reminded.push(name),
  };
}

async function finish(name: string): Promise<void> {
  underWay.get(name)?.();
  underWay.delete(name);
  await settle();
}

describe('Admission', () => {
  it('registers a few at a time, in the order of their coming', async () => {
    for (const name of ['a', 'b', 'c', 'd']) admission.add(applicant(name));
    expect([...underWay.keys()]).toEqual(['a', 'b']);
    expect(admission.waiting).toBe(2);
    await finish('b');
    expect([...underWay.keys()]).toEqual(['a', 'c']);
    await finish('a');
    await finish('c');
    await finish('d');
    expect(admission.waiting).toBe(0);
    admission.add(applicant('e'));
    expect([...underWay.keys()]).toEqual(['e']);
  });

  it('tells those that wait that somebody is there, for as long as they do', async () => {
    for (const name of ['a', 'b', 'c']) admission.add(applicant(name));
    expect(reminded).toEqual(['c']);
    await clock.advance(2_000);
    expect(reminded).toEqual(['c', 'c', 'c']);
    await finish('a');
    await clock.advance(5_000);
    expect(reminded).toEqual(['c', 'c', 'c']);
  });

  it('does nothing for those that went away', async () => {
    const gone = applicant('c');
    for (const one of [applicant('a'), applicant('b'), gone, applicant('d')]) admission.add(one);
    admission.remove(gone);
    await finish('a');
    expect([...underWay.keys()]).toEqual(['b', 'd']);
  });

  it('lets nobody wait beyond its limit', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) admission.add(applicant(name));
    expect(() => admission.add(applicant('f'))).toThrow('too many nodes want to register');
    await finish('a');
    admission.add(applicant('f'));
    expect(admission.waiting).toBe(3);
  });

  it('forgets those that wait when nobody is to be let in', async () => {
    for (const name of ['a', 'b', 'c']) admission.add(applicant(name));
    admission.clear();
    await finish('a');
    await clock.advance(5_000);
    expect([...underWay.keys()]).toEqual(['b']);
    expect(reminded).toEqual(['c']);
  });
});
