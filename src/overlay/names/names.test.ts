import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServiceEndpointAssignment, TaskEndpointAssignment } from '../../model/index.ts';
import { NamesIndex } from './names-index.ts';
import type { NetworkView } from '../desired/index.ts';
import {
  EMPTY_TABLE,
  applyRequest,
  tableChange,
  type AnswerTable,
  type NetworkNames,
} from '../../resolver/protocol/index.ts';

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

const DB: ServiceEndpointAssignment = {
  networkId: 'front',
  serviceId: 'db',
  name: 'db',
  aliases: ['api'],
  mode: 'dnsrr',
  ports: [],
  sticky: false,
  exposed: [{ Protocol: 'tcp', TargetPort: 5432, PublishMode: 'ingress' }],
};

const ENDPOINTS = [
  endpoint('b', '10.0.1.12'),
  endpoint('a', '10.0.1.11'),
  endpoint('c', '10.0.1.13', false),
];

const networkNames = (view: NetworkView): NetworkNames => new NamesIndex().update(view);

describe('NamesIndex', () => {
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

  it('comes to the same whichever way, and knows what differs', () => {
    fc.assert(
      fc.property(fc.array(VIEW, { minLength: 2, maxLength: 6 }), (views) => {
        const index = new NamesIndex();
        let before: NetworkNames | undefined;
        for (const view of views) {
          const made = index.update(view);
          const anew = new NamesIndex().update(view);
          expect(made.toJSON()).toEqual(anew.toJSON());
          const old: AnswerTable = { networks: before ? { n: before } : {}, tasks: {} };
          const change = tableChange(old, { networks: { n: made }, tasks: {} });
          const reached = change ? applyRequest(old, { seq: 1, type: 'change', ...change }) : old;
          expect(JSON.parse(JSON.stringify(reached.networks['n']))).toEqual(anew.toJSON());
          before = made;
        }
      }),
    );
  });
});

/** Views of a network in which services and tasks share names; the same object is the same task. */
const POOL = ['a', 'b', 'c', 'd'].flatMap((id, i) =>
  [true, false].map((active): TaskEndpointAssignment => {
    const own = endpoint(id, `10.0.1.${11 + i}`, active);
    return { ...own, serviceId: i < 2 ? 'web' : 'db', aliases: i === 3 ? ['web'] : ['api'] };
  }),
);
const VIEW: fc.Arbitrary<NetworkView> = fc
  .record({
    tasks: fc.array(fc.option(fc.boolean()), { minLength: 4, maxLength: 4 }),
    web: fc.boolean(),
    db: fc.boolean(),
  })
  .map(({ tasks, web, db }) => ({
    network: NETWORK,
    endpoints: tasks.flatMap((active, i) => {
      const found = active === null ? undefined : POOL[2 * i + (active ? 0 : 1)];
      return found === undefined ? [] : [found];
    }),
    services: [...(web ? [WEB] : []), ...(db ? [DB] : [])],
  }));

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
