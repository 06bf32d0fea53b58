import { describe, expect, it } from 'vitest';
import { parseAttachment } from './attachment-request.ts';

const good = {
  id: '0123456789abcdefghijklmno',
  containerId: 'a1'.repeat(32),
  name: 'db',
  networks: [{ target: 'back', aliases: ['pg'], addresses: [] }],
};

describe('a node’s request for an attachment', () => {
  it('is for the node whose certificate it came with', () => {
    expect(parseAttachment(JSON.stringify(good), 'me')).toEqual({ ...good, nodeId: 'me' });
    const forged = JSON.stringify({ ...good, nodeId: 'another' });
    expect(parseAttachment(forged, 'me').nodeId).toBe('me');
  });

  it.each([
    ['no JSON', '{'],
    ['no object', '7'],
    ['an id of another form', JSON.stringify({ ...good, id: '../x' })],
    ['a name that is no text', JSON.stringify({ ...good, name: 7 })],
    ['a name without end', JSON.stringify({ ...good, name: 'x'.repeat(256) })],
    ['networks that are none', JSON.stringify({ ...good, networks: [{}] })],
    [
      'too many',
      JSON.stringify({ ...good, networks: Array.from({ length: 65 }, () => good.networks[0]) }),
    ],
  ])('is refused with %s', (_what, json) => {
    expect(() => parseAttachment(json, 'me')).toThrow(/invalid|no JSON/);
  });
});
