import { describe, expect, it } from 'vitest';
import { nextRoleStep, type RoleState, type RoleStep } from './role-step.ts';

const manager: RoleState = {
  wanted: 'manager',
  certified: 'manager',
  runs: true,
  removed: false,
  refused: false,
  listed: true,
};
const worker: RoleState = {
  ...manager,
  wanted: 'worker',
  certified: 'worker',
  runs: false,
  listed: false,
};

const cases: readonly (readonly [string, RoleState, RoleStep])[] = [
  ['a manager that is wanted rests', manager, 'done'],
  ['a worker that is wanted rests', worker, 'done'],
  ['a promoted worker asks for its certificate', { ...worker, wanted: 'manager' }, 'renew'],
  [
    'a promoted worker with its certificate starts a manager',
    { ...worker, wanted: 'manager', certified: 'manager' },
    'startManager',
  ],
  ['a demoted manager waits for its removal', { ...manager, wanted: 'worker' }, 'wait'],
  [
    'a demoted manager that is not listed any more stops',
    { ...manager, wanted: 'worker', listed: false },
    'stopManager',
  ],
  [
    'a demoted manager that has stopped asks for its certificate',
    { ...worker, certified: 'manager' },
    'renew',
  ],
  [
    'a manager that Raft removed answers the others as long as they list it',
    { ...manager, wanted: 'worker', removed: true },
    'wait',
  ],
  ['and asks them if it is wanted again', { ...manager, removed: true }, 'confirm'],
  [
    'it stops once they refuse it, also if it is wanted again',
    { ...manager, removed: true, refused: true },
    'stopManager',
  ],
  [
    'or once they do not list it any more',
    { ...manager, removed: true, listed: false },
    'stopManager',
  ],
  [
    'a node that was down while it was removed takes another Raft id',
    { ...worker, wanted: 'manager', certified: 'manager', refused: true },
    'stopManager',
  ],
  [
    'a manager that is wanted and not listed makes sure of its membership',
    { ...manager, listed: false },
    'confirm',
  ],
  ['without a word from the managers nothing changes', { ...manager, wanted: undefined }, 'done'],
];

describe('the next step to the wanted role', () => {
  it.each(cases)('%s', (_name, state, step) => {
    expect(nextRoleStep(state)).toBe(step);
  });
});
