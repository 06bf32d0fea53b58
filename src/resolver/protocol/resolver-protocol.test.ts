import { describe, expect, it } from 'vitest';
import { parseConfig, parseReply, parseRequest, parseTable } from './resolver-protocol.ts';

const table = {
  networks: {
    n1: {
      name: 'back',
      names: { web: ['10.0.0.2'] },
      reverse: { '10.0.0.2': 'web' },
      services: { '_80._tcp.web': [{ port: 80, target: 'web' }] },
    },
  },
  tasks: { t1: { namespace: '/x', port: 1053, networks: ['n1'], forward: true } },
};

describe('messages between daemon and resolver', () => {
  it('are read as they were written', () => {
    const replace = { seq: 1, type: 'replace', table };
    const change = {
      seq: 2,
      type: 'change',
      networks: { n1: { names: { web: null, db: ['10.0.0.3'] } }, n2: null },
      tasks: { t1: null },
    };
    for (const message of [replace, change]) {
      expect(parseRequest(JSON.stringify(message))).toEqual(message);
    }
    const reply = { seq: 2, failures: { t1: 'why' } };
    expect(parseReply(JSON.stringify(reply))).toEqual(reply);
    expect(parseTable(JSON.stringify(table))).toEqual(table);
  });

  it.each([
    '',
    'null',
    '7',
    '{"seq":1}',
    '{"seq":1,"type":"replace"}',
    '{"seq":1,"type":"replace","table":{"networks":{},"tasks":{"t":{}}}}',
    '{"seq":-1,"type":"change","networks":{},"tasks":{}}',
    '{"seq":1,"type":"change","networks":[],"tasks":{}}',
    '{"seq":1,"type":"change","networks":{"n":{"names":{"a":"10.0.0.1"}}},"tasks":{}}',
    `{"seq":1,"type":"change","networks":${'{"n":'.repeat(1000)}`,
  ])('%.80s is none', (line) => {
    expect(() => parseRequest(line)).toThrow('message of the resolver');
  });

  it('come from a resolver that was told where everything is', () => {
    expect(() => parseConfig(undefined)).toThrow('needs an argument');
    expect(() => parseConfig('{}')).toThrow('argument of the resolver');
  });
});
