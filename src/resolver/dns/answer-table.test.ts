import { describe, expect, it } from 'vitest';
import { lookUp } from './answer-table.ts';
import { DNS_TYPE, RCODE, parseQuestion, type DnsQuestion } from './dns-message.ts';
import type { AnswerTable, ServedTask } from '../protocol/index.ts';

const TABLE: AnswerTable = {
  networks: {
    front: {
      name: 'Front',
      names: { web: ['10.0.1.2'], 'tasks.web': ['10.0.1.11', '10.0.1.12', '10.0.1.13'] },
      reverse: { '10.0.1.11': 'web.1.a.front' },
      services: { '_http._tcp.web': [{ port: 80, target: 'web' }] },
    },
    back: { name: 'back', names: { web: ['10.0.2.2'], constructor: ['10.0.2.3'] }, reverse: {} },
  },
  tasks: {},
};

function task(networks: string[], forward = true): ServedTask {
  return { namespace: '/ns', port: 1, networks, forward };
}

function question(name: string, type: number = DNS_TYPE.A): DnsQuestion {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  const bytes = Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1]);
  const parsed = parseQuestion(bytes);
  if (parsed === undefined) throw new Error('bad question');
  return parsed;
}

function addresses(networks: string[], name: string): readonly string[] | undefined {
  const found = lookUp(TABLE, task(networks), question(name), () => 0);
  return found.kind === 'answer' ? found.answer.addresses : undefined;
}

describe('lookUp', () => {
  it('answers names of the networks of the task, in their order', () => {
    expect(addresses(['front', 'back'], 'web')).toEqual(['10.0.1.2']);
    expect(addresses(['back', 'front'], 'web')).toEqual(['10.0.2.2']);
    expect(addresses(['back', 'front'], 'WEB.front')).toEqual(['10.0.1.2']);
  });

  it('does not know names of other networks', () => {
    expect(addresses(['back'], 'tasks.web')).toBeUndefined();
    expect(addresses(['back'], 'web.front')).toBeUndefined();
    expect(addresses(['front'], 'constructor')).toBeUndefined();
  });

  it('gives all addresses in an order that varies', () => {
    expect(addresses(['front'], 'tasks.web')?.toSorted()).toEqual([
      '10.0.1.11',
      '10.0.1.12',
      '10.0.1.13',
    ]);
    expect(addresses(['front'], 'tasks.web')?.[0]).not.toBe('10.0.1.11');
  });

  it('has no data for other types of a name that it knows', () => {
    const aaaa = 28;
    const found = lookUp(TABLE, task(['front']), question('web', aaaa), () => 0);
    expect(found).toEqual({
      kind: 'answer',
      answer: { rcode: RCODE.ok, addresses: [], ttlSeconds: 5 },
    });
  });

  it('answers reverse names', () => {
    const asked = question('11.1.0.10.in-addr.arpa', DNS_TYPE.PTR);
    expect(lookUp(TABLE, task(['front']), asked, () => 0)).toMatchObject({
      answer: { pointer: 'web.1.a.front' },
    });
    expect(lookUp(TABLE, task(['back']), asked, () => 0).kind).toBe('forward');
  });

  it('answers where a service listens, with the addresses', () => {
    const srv = question('_http._tcp.web.front', DNS_TYPE.SRV);
    expect(lookUp(TABLE, task(['front']), srv, () => 0)).toMatchObject({
      answer: {
        rcode: RCODE.ok,
        services: [{ port: 80, target: 'web.Front', addresses: ['10.0.1.2'] }],
      },
    });
    const other = lookUp(TABLE, task(['front']), question('_http._tcp.web'), () => 0);
    expect(other).toEqual({ kind: 'answer', answer: { rcode: RCODE.ok, ttlSeconds: 5 } });
    expect(lookUp(TABLE, task(['back']), srv, () => 0).kind).toBe('forward');
  });

  it('asks outside for other names, but not for tasks on internal networks', () => {
    expect(lookUp(TABLE, task(['front']), question('example.com'), () => 0).kind).toBe('forward');
    expect(lookUp(TABLE, task(['front'], false), question('example.com'), () => 0)).toEqual({
      kind: 'answer',
      answer: { rcode: RCODE.refused },
    });
  });
});
