// Which tasks and nodes are what a service wants, and under which constraints tasks are.
import { describe, expect, it } from 'vitest';
import type { Node, ServiceSpec, Task } from '../../../model/index.ts';
import { aNode, aRevision, aService, taskIn } from '../../../../test/builders/cluster-objects.ts';
import { aServiceSpec, withImage } from '../../../../test/builders/specs.ts';
import { constraintsOf, fitness } from './fitness.ts';

type Placement = NonNullable<ServiceSpec['TaskTemplate']['Placement']>;

const placed = (Placement: Placement, Image = 'hello:1'): ServiceSpec =>
  aServiceSpec({ TaskTemplate: { ContainerSpec: { Image }, Placement } });

const INSIDE = { Constraints: ['node.labels.zone==a'] };

interface Story {
  readonly spec: ServiceSpec;
  /** The spec of revision `old`. */
  readonly old?: ServiceSpec;
  readonly nodes?: readonly Node[];
}

function of({ spec, old = spec, nodes = [aNode('n')] }: Story) {
  const looked = { revisions: 0 };
  const found = fitness({
    service: aService(spec),
    node: (id) => nodes.find((node) => node.id === id),
    revision: (id) => {
      looked.revisions++;
      return id === 'old' ? aRevision('old', old) : undefined;
    },
  });
  return { ...found, looked };
}

const older = (state: Task['status']['state'], nodeId: string | undefined): Task =>
  taskIn('t', state, nodeId, { revisionId: 'old' });

describe('a node fits', () => {
  it.each([
    [{}, {}, true],
    [INSIDE, { labels: { zone: 'a' } }, true],
    [INSIDE, { labels: { zone: 'b' } }, false],
    [{ Platforms: [{ OS: 'linux' }] }, {}, true],
    [{ Platforms: [{ OS: 'windows' }] }, {}, false],
    [{ Platforms: [{ OS: 'windows' }, { OS: 'linux' }] }, {}, true],
    // Nobody knows what it is: that is no reason to take its task away.
    [{ Platforms: [{ OS: 'windows' }] }, { undescribed: true }, true],
    [{ Platforms: [{ OS: 'linux' }], ...INSIDE }, { labels: { zone: 'b' } }, false],
  ])('the placement %j when it is %j: %j', (placement, traits, expected) => {
    expect(of({ spec: placed(placement) }).fits(aNode('n', traits), false)).toBe(expected);
  });

  it.each([true, false])('if it can not be read: %j, as the asker says', (unsure) => {
    const odd = aNode('n');
    const node = {
      ...odd,
      spec: { ...odd.spec, Labels: { zone: 7 } as unknown as Record<string, string> },
    };
    expect(of({ spec: placed(INSIDE) }).fits(node, unsure)).toBe(unsure);
  });

  it('nothing that can not be parsed', () => {
    const { fits } = of({ spec: placed({ Constraints: ['nonsense'] }) });
    expect(() => fits(aNode('n'), true)).toThrow('is not of the form');
  });
});

describe('a task is what its service wants', () => {
  it('when it is of the present revision, wherever it is', () => {
    const { upToDate } = of({ spec: placed(INSIDE) });
    expect(upToDate(taskIn('t', 'pending', undefined))).toBe(true);
    expect(upToDate(taskIn('t', 'running', 'n'))).toBe(true);
  });

  it('not when its template is another one', () => {
    const spec = aServiceSpec();
    expect(of({ spec, old: withImage(spec, 'hello:0') }).upToDate(older('running', 'n'))).toBe(
      false,
    );
  });

  it('when only its placement is another one and it may stay', () => {
    const nodes = [aNode('n', { labels: { zone: 'a' } }), aNode('other')];
    const { upToDate } = of({ spec: placed(INSIDE), old: placed({}), nodes });
    expect(upToDate(older('running', 'n'))).toBe(true);
    expect(upToDate(older('running', 'other'))).toBe(false);
    expect(upToDate(older('running', 'gone'))).toBe(false);
  });

  it.each([
    ['pending', false],
    ['assigned', true],
    ['running', true],
    ['failed', true],
  ] as const)('when only its placement is another one and it is %s: %j', (state, expected) => {
    const { upToDate } = of({ spec: placed({}), old: placed(INSIDE) });
    expect(upToDate(older(state, 'n'))).toBe(expected);
  });

  it('not when nobody knows what it was', () => {
    const { upToDate } = of({ spec: aServiceSpec() });
    expect(upToDate(taskIn('t', 'running', 'n', { revisionId: 'forgotten' }))).toBe(false);
  });

  it('which is worked out once for each revision', () => {
    const { upToDate, looked } = of({ spec: placed({}), old: placed(INSIDE) });
    for (let i = 0; i < 20; i++) upToDate(older('running', 'n'));
    expect(looked.revisions).toBe(1);
  });
});

describe('a task of an older revision is not what its service wants', () => {
  const template = placed(INSIDE).TaskTemplate;
  const port = {
    Protocol: 'tcp',
    TargetPort: 80,
    PublishedPort: 80,
    PublishMode: 'ingress',
  } as const;
  const nodes = [aNode('n', { labels: { zone: 'a' } })];

  it.each<[string, Partial<ServiceSpec>]>([
    ['a forced update', { TaskTemplate: { ...template, ForceUpdate: 1 } }],
    ['another port', { EndpointSpec: { Ports: [port] } }],
    ['another endpoint mode', { EndpointSpec: { Mode: 'dnsrr' } }],
    ['a network', { TaskTemplate: { ...template, Networks: [{ Target: 'net' }] } }],
    [
      'another reservation',
      { TaskTemplate: { ...template, Resources: { Reservations: { NanoCPUs: 1e9 } } } },
    ],
    [
      'another restart policy',
      { TaskTemplate: { ...template, RestartPolicy: { Condition: 'none' } } },
    ],
  ])('after %s', (_what, change) => {
    const spec = { ...placed(INSIDE), ...change };
    const { upToDate } = of({ spec, old: placed(INSIDE), nodes });
    expect(upToDate(older('running', 'n'))).toBe(false);
  });

  it.each<[string, Partial<ServiceSpec>]>([
    ['replicas', { Mode: { Replicated: { Replicas: 9 } } }],
    ['labels of the service', { Labels: { team: 'a' } }],
    ['the rules of updates', { UpdateConfig: { Parallelism: 7 } }],
    ['constraints that its node satisfies', placed({ Constraints: ['node.id==n'] })],
  ])('but after a change of %s alone it is', (_what, change) => {
    const spec = { ...placed(INSIDE), ...change };
    const { upToDate } = of({ spec, old: placed(INSIDE), nodes });
    expect(upToDate(older('running', 'n'))).toBe(true);
  });
});

describe('the constraints of a task', () => {
  it('are those of its revision', () => {
    expect(constraintsOf(aRevision('old', placed(INSIDE)), undefined)).toEqual(INSIDE.Constraints);
  });

  it('are those of its service today where nothing else has changed', () => {
    const service = aService(placed({ Constraints: ['node.role==manager'] }));
    expect(constraintsOf(aRevision('old', placed(INSIDE)), service)).toEqual([
      'node.role==manager',
    ]);
  });

  it('are its own when the service is another one in other ways, too', () => {
    const service = aService(placed({}, 'hello:9'));
    expect(constraintsOf(aRevision('old', placed(INSIDE)), service)).toEqual(INSIDE.Constraints);
  });

  it('are none when nothing is known of it', () => {
    expect(constraintsOf(undefined, aService(placed(INSIDE)))).toEqual([]);
  });
});
