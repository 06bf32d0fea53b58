import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServiceEndpointAssignment, TaskEndpointAssignment } from '../model/index.ts';
import { networkNames } from './names.ts';
import {
  EMPTY_TABLE,
  applyRequest,
  tableChange,
  type AnswerTable,
  type NetworkNames,
} from './resolver-protocol.ts';

const NETWORK = {
  id: 'front',
  name: 'front',
  subnets: [],
  internal: false,
  ingress: false,
  mtu: 1450,
};

function endpoint(taskId: string, address: string, active = true): TaskEndpointAssignment {
  const name = `Web.1.${taskId}`;
  const aliases = ['api'];
  const addresses = [address];
  const ids = { networkId: 'front', serviceId: 'web', taskId, nodeId: 'h1' };
  return { ...ids, name, aliases, addresses, active };
}

const WEB: ServiceEndpointAssignment = {
  networkId: 'front',
  serviceId: 'web',
  name: 'stack_web',
  aliases: ['web'],
  mode: 'vip',
  vip: '10.0.1.2',
  ports: [],
  sticky: false,
};

const ENDPOINTS = [
  endpoint('b', '10.0.1.12'),
  endpoint('a', '10.0.1.11'),
  endpoint('c', '10.0.1.13', false),
];

describe('networkNames', () => {
  it('has the virtual address under the service, its tasks under tasks.<service>', () => {
    const made = networkNames({ network: NETWORK, endpoints: ENDPOINTS, services: [WEB] });
    expect(made.names).toEqual({
      stack_web: ['10.0.1.2'],
      web: ['10.0.1.2'],
      'tasks.stack_web': ['10.0.1.11', '10.0.1.12'],
      'tasks.web': ['10.0.1.11', '10.0.1.12'],
      api: ['10.0.1.11', '10.0.1.12'],
      'web.1.a': ['10.0.1.11'],
      'web.1.b': ['10.0.1.12'],
    });
    expect(made.reverse).toEqual({
      '10.0.1.2': 'stack_web.front',
      '10.0.1.11': 'Web.1.a.front',
      '10.0.1.12': 'Web.1.b.front',
    });
  });

  it('has the tasks themselves for a service without a virtual address', () => {
    const { vip: _vip, ...rest } = WEB;
    const services = [{ ...rest, mode: 'dnsrr' } as const];
    const made = networkNames({ network: NETWORK, endpoints: ENDPOINTS, services });
    expect(made.names['web']).toEqual(['10.0.1.11', '10.0.1.12']);
  });
});

const names: fc.Arbitrary<NetworkNames> = fc.record({
  name: fc.constantFrom('front', 'back'),
  names: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.array(fc.constantFrom('1', '2'))),
  reverse: fc.dictionary(fc.constantFrom('1', '2'), fc.constantFrom('a', 'b')),
  services: fc.dictionary(
    fc.constantFrom('_80._tcp.a', '_80._tcp.b'),
    fc.array(fc.record({ port: fc.nat(2), target: fc.constantFrom('a', 'b') })),
  ),
});
const table: fc.Arbitrary<AnswerTable> = fc.record({
  networks: fc.dictionary(fc.constantFrom('n1', 'n2'), names),
  tasks: fc.dictionary(
    fc.constantFrom('t1', 't2'),
    fc.record({
      namespace: fc.constant('/ns'),
      port: fc.integer({ min: 1, max: 2 }),
      networks: fc.array(fc.constantFrom('n1', 'n2')),
      forward: fc.boolean(),
    }),
  ),
});

describe('tableChange', () => {
  it('leads from any table to any other', () => {
    fc.assert(
      fc.property(table, table, (before, after) => {
        const change = tableChange(before, after);
        const reached = change
          ? applyRequest(before, { seq: 1, type: 'change', ...change })
          : before;
        expect(JSON.parse(JSON.stringify(reached))).toEqual(JSON.parse(JSON.stringify(after)));
      }),
    );
  });

  it('is nothing for the same table', () => {
    expect(tableChange(EMPTY_TABLE, EMPTY_TABLE)).toBeUndefined();
  });
});
