// Each rule that nodes have to keep, and what is said of those that don't.
import { describe, expect, it } from 'vitest';
import { aNode, type NodeTraits } from '../../test/builders/cluster-objects.ts';
import { aServiceSpec } from '../../test/builders/specs.ts';
import { NOTHING, rulesOf, type Placement } from '../../test/builders/placements.ts';
import { filtersFor, oncePerNode } from './filters.ts';
import { NodeRecord, type Demand } from './node-record.ts';
import { explain, fits } from './scheduler.ts';

const record = (traits: NodeTraits = {}, id = 'n'): NodeRecord => new NodeRecord(aNode(id, traits));

/** Why a node of these traits is turned away; undefined when it fits. */
function refusal(
  traits: NodeTraits,
  Placement: Placement = {},
  demand: Partial<Demand> = {},
  prepare: (record: NodeRecord) => void = () => {},
): string | undefined {
  const rules = rulesOf(Placement, demand);
  const one = record(traits);
  prepare(one);
  return fits(one, rules) ? undefined : explain([one], rules);
}

const UNAVAILABLE = 'no suitable node (1 node not available for new tasks)';
const CONSTRAINTS = 'no suitable node (scheduling constraints not satisfied on 1 node)';
const RESOURCES = 'no suitable node (insufficient resources on 1 node)';
const PLATFORM = 'no suitable node (unsupported platform on 1 node)';

describe('a node', () => {
  it.each([
    [{}, undefined],
    [{ state: 'down' }, UNAVAILABLE],
    [{ state: 'unknown' }, UNAVAILABLE],
    [{ state: 'disconnected' }, UNAVAILABLE],
    [{ availability: 'pause' }, UNAVAILABLE],
    [{ availability: 'drain' }, UNAVAILABLE],
  ] as const)('%j gets tasks only when it is ready and active', (traits, expected) => {
    expect(refusal(traits)).toBe(expected);
  });

  it.each([
    [{ nanoCpus: 2e9 }, undefined],
    [{ nanoCpus: 1e9 }, undefined],
    [{ nanoCpus: 999_999_999 }, RESOURCES],
    [{ memoryBytes: 1e9 - 1 }, RESOURCES],
    [{ undescribed: true }, RESOURCES],
  ] as const)('%j must have what is reserved', (traits, expected) => {
    expect(refusal(traits, {}, { nanoCpus: 1e9, memoryBytes: 1e9 })).toBe(expected);
  });

  it.each([
    [['node.labels.zone==a'], { labels: { zone: 'a' } }, undefined],
    [['node.labels.zone==a'], { labels: { zone: 'b' } }, CONSTRAINTS],
    [['node.labels.zone==a'], {}, CONSTRAINTS],
    [['node.labels.zone!=a'], {}, undefined],
    [['node.role==manager'], { role: 'manager' }, undefined],
    [['node.role==manager'], { role: 'worker' }, CONSTRAINTS],
    [['node.hostname==web'], { hostname: 'web' }, undefined],
    [['node.id==n'], {}, undefined],
    [['node.id!=n'], {}, CONSTRAINTS],
    [['engine.labels.gpu==yes'], { engineLabels: { gpu: 'yes' } }, undefined],
    [['node.platform.os==windows'], {}, CONSTRAINTS],
    [['node.ip==10.0.0.0/8'], { address: '10.1.2.3:2377' }, undefined],
    [['node.ip==10.0.0.0/8'], { address: '192.0.2.1:2377' }, CONSTRAINTS],
    [['node.id==n', 'node.role==manager'], {}, CONSTRAINTS],
    // Values and fixed keys are compared without regard to case, names of labels with it.
    [['node.labels.zone==EAST'], { labels: { zone: 'east' } }, undefined],
    [['node.labels.zone!=EAST'], { labels: { zone: 'east' } }, CONSTRAINTS],
    [['Node.Role==Manager'], { role: 'manager' }, undefined],
    [['node.labels.Zone==a'], { labels: { zone: 'a' } }, CONSTRAINTS],
    [['engine.labels.gpu!=yes'], { undescribed: true }, undefined],
    [['engine.labels.gpu==yes'], { labels: { gpu: 'yes' } }, CONSTRAINTS],
    [['node.platform.arch==x86_64'], {}, undefined],
    [['node.ip!=10.1.2.3'], { address: '10.1.2.3:2377' }, CONSTRAINTS],
    [['node.ip==2001:db8::/32'], { address: '[2001:db8::7]:2377' }, undefined],
  ] as const)('must satisfy all of %j', (Constraints, traits, expected) => {
    expect(refusal(traits, { Constraints: [...Constraints] })).toBe(expected);
  });

  it.each([
    [[{ Architecture: 'amd64', OS: 'linux' }], {}, undefined],
    [[{ Architecture: 'arm64', OS: 'linux' }], {}, PLATFORM],
    [[{ Architecture: 'arm64' }, { Architecture: 'amd64' }], {}, undefined],
    [[{ OS: 'linux' }], { undescribed: true }, PLATFORM],
    [[{ Architecture: 'arm64' }], { architecture: 'aarch64' }, undefined],
    [[{ Architecture: 'x86_64' }], { architecture: 'amd64' }, undefined],
    [[{ Architecture: '', OS: '' }], { architecture: 's390x' }, undefined],
    [[{ OS: 'windows' }], {}, PLATFORM],
    [[], { undescribed: true }, undefined],
  ])('must be one of the platforms %j', (Platforms, traits, expected) => {
    expect(refusal(traits, { Platforms })).toBe(expected);
  });

  it('must have the host ports free', () => {
    const demand = { hostPorts: ['tcp/80', 'tcp/81'] };
    const taken = (ports: readonly string[]) => (one: NodeRecord) =>
      one.take('t', 'other', { ...NOTHING, hostPorts: ports });
    expect(refusal({}, {}, demand, taken(['tcp/82']))).toBeUndefined();
    expect(refusal({}, {}, demand, taken(['udp/80']))).toBeUndefined();
    expect(refusal({}, {}, demand, taken(['tcp/81']))).toBe(
      'no suitable node (host-mode port already in use on 1 node)',
    );
  });

  it('must be able to encrypt for an encrypted network', () => {
    expect(refusal({ encrypted: true }, {}, { encrypted: true })).toBeUndefined();
    expect(refusal({}, {}, { encrypted: true })).toBe(
      'no suitable node (no encrypted networks (WireGuard is missing) on 1 node)',
    );
  });

  it('takes as many tasks of the service as it may, whatever else it runs', () => {
    const full = 'no suitable node (max replicas per node limit exceed on 1 node)';
    const holding = (own: number) => (one: NodeRecord) => {
      for (let i = 0; i < own; i++) one.take(`own${i}`, 's', NOTHING);
      one.take('x', 'other', NOTHING);
    };
    expect(refusal({}, { MaxReplicas: 2 }, {}, holding(1))).toBeUndefined();
    expect(refusal({}, { MaxReplicas: 2 }, {}, holding(2))).toBe(full);
  });
});

describe('a rule', () => {
  it('is broken by a node of which it can not read what it needs', () => {
    const rules = rulesOf({ Constraints: ['node.labels.zone==a'] });
    const odd = record({ labels: { zone: 'a' } });
    odd.node = {
      ...odd.node,
      spec: { ...odd.node.spec, Labels: { zone: 7 } as unknown as Record<string, string> },
    };
    expect([fits(odd, rules), fits(record({ labels: { zone: 'a' } }), rules)]).toEqual([
      false,
      true,
    ]);
  });

  it('that can not be parsed is said at once', () => {
    expect(() => rulesOf({ Constraints: ['zone is a'] })).toThrow('is not of the form');
    expect(() => rulesOf({ Constraints: ['node.colour==red'] })).toThrow('unknown');
  });

  it('says whether placing a task can break it', () => {
    const placement = { Constraints: ['node.id==n'], Platforms: [{ OS: 'linux' }], MaxReplicas: 1 };
    const spec = aServiceSpec({
      TaskTemplate: { ContainerSpec: { Image: 'i' }, Placement: placement },
    });
    const demand = { nanoCpus: 1, memoryBytes: 1, hostPorts: ['tcp/1'], encrypted: true };
    const filters = filtersFor(spec, 's', demand);
    // Ready, resources, constraints, platforms, host ports, encryption, replicas.
    expect(filters.map(({ fillsUp }) => fillsUp)).toEqual([
      false,
      true,
      false,
      false,
      true,
      false,
      true,
    ]);
  });
});

describe('the sentence for tasks without a node', () => {
  it('counts each node for the first rule that it breaks, in the order of the rules', () => {
    const rules = rulesOf(
      { Constraints: ['node.labels.zone==a'], Platforms: [{ OS: 'linux' }] },
      { nanoCpus: 1e9 },
    );
    const zone = { labels: { zone: 'a' } };
    const records = [
      record({ state: 'down' }, 'a'),
      record({ availability: 'drain', nanoCpus: 0 }, 'b'),
      record({ nanoCpus: 0 }, 'c'),
      record({ labels: { zone: 'b' }, os: 'windows' }, 'd'),
      record({ ...zone, os: 'windows' }, 'e'),
      record(zone, 'f'),
    ];
    expect(explain(records, rules)).toBe(
      'no suitable node (2 nodes not available for new tasks; insufficient resources on 1 node; ' +
        'scheduling constraints not satisfied on 1 node; unsupported platform on 1 node)',
    );
  });

  it('names ports before encryption, and replicas last', () => {
    const demand = { hostPorts: ['tcp/80'], encrypted: true };
    const holding = (id: string, traits: NodeTraits, taken: Partial<Demand>): NodeRecord => {
      const one = record(traits, id);
      one.take(`${id}-own`, 's', { ...NOTHING, ...taken });
      return one;
    };
    const records = [
      holding('a', {}, { hostPorts: ['tcp/80'] }),
      holding('b', {}, {}),
      holding('c', { encrypted: true }, {}),
    ];
    expect(explain(records, rulesOf({ MaxReplicas: 1 }, demand))).toBe(
      'no suitable node (host-mode port already in use on 1 node; ' +
        'no encrypted networks (WireGuard is missing) on 1 node; ' +
        'max replicas per node limit exceed on 1 node)',
    );
  });

  it('says no more where there is no node', () => {
    expect(explain([], rulesOf())).toBe('no suitable node');
  });
});

describe('what is asked once per node', () => {
  it('is asked again after the node changed, and only then', () => {
    let asked = 0;
    const look = oncePerNode((node) => {
      asked++;
      return node.id;
    });
    const node = aNode('n');
    expect([look(node), look(node), look({ ...node }), asked]).toEqual(['n', 'n', 'n', 2]);
  });
});
