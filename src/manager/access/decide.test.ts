// Who may do what.
import { describe, expect, it } from 'vitest';
import { CONTROL_METHODS } from '../control/index.ts';
import { authorize, refusal } from './decide.ts';
import { METHOD_PERMISSIONS, type Permission } from './permissions.ts';
import { MANAGER, OPERATOR, nodePrincipal } from './principal.ts';

const ALL: readonly Permission[] = Object.values(METHOD_PERMISSIONS);

describe('access', () => {
  it('is full for whoever can open the socket', () => {
    for (const permission of ALL) expect(refusal(OPERATOR, permission)).toBeUndefined();
  });

  it('of a node is to its own containers’ network attachments alone', () => {
    const node = nodePrincipal('n1');
    expect(refusal(node, 'attachment.write')).toBeUndefined();
    for (const permission of ALL.filter((one) => one !== 'attachment.write')) {
      expect(() => authorize(node, permission)).toThrow(
        `node n1 lacks the permission ${permission}`,
      );
    }
  });

  it('to what is the users’ is none of the managers themselves', () => {
    for (const permission of ALL) {
      expect(() => authorize(MANAGER, permission)).toThrow(/lacks the permission/);
    }
  });

  it('is asked for by every control method', () => {
    expect(Object.keys(METHOD_PERMISSIONS).sort()).toEqual(Object.keys(CONTROL_METHODS).sort());
  });
});
