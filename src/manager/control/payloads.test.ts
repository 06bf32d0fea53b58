// Secrets and configs: what they may be, what of them can change, and when they may go.
import { beforeEach, describe, expect, it } from 'vitest';
import { specIndexOf, type SecretSpec, type ServiceSpec } from '../../model/index.ts';
import { ControlDesk, refusal } from '../../../test/builders/control-desk.ts';

let desk: ControlDesk;

beforeEach(async () => {
  desk = await ControlDesk.open();
});

type Kind = 'secret' | 'config';
const KINDS = ['secret', 'config'] as const;

const make = (kind: Kind, spec: SecretSpec): Promise<{ id: string }> =>
  desk.control.handle(`${kind}.create`, { spec });
const drop = (kind: Kind, id: string): Promise<object> =>
  desk.control.handle(`${kind}.remove`, { id });
const change = (kind: Kind, id: string, spec: SecretSpec, version?: number): Promise<object> => {
  const now = specIndexOf(desk.get(kind, id));
  return desk.control.handle(`${kind}.update`, { id, version: version ?? now, spec });
};
const bytes = (length: number): string => Buffer.alloc(length, 'x').toString('base64');

/** A service that has this file. */
function having(kind: Kind, id: string): Pick<ServiceSpec, 'TaskTemplate'> {
  const files =
    kind === 'secret'
      ? { Secrets: [{ SecretID: id, SecretName: 'key' }] }
      : { Configs: [{ ConfigID: id, ConfigName: 'key' }] };
  return { TaskTemplate: { ContainerSpec: { Image: 'hello:1', ...files } } };
}

describe.each(KINDS)('a new %s', (kind) => {
  it('has its content beside it, so that lists don’t have it', async () => {
    const { id } = await make(kind, { Name: 'key', Labels: { a: 'b' }, Data: 'aGVsbG8=' });
    expect(desk.get(kind, id).spec).toEqual({ Name: 'key', Labels: { a: 'b' } });
    expect(desk.get('payload', id)).toMatchObject({ kind, data: 'aGVsbG8=' });
  });

  it('has labels, be they none', async () => {
    const { id } = await make(kind, { Name: 'key', Data: 'aGVsbG8=' });
    expect(desk.get(kind, id).spec.Labels).toEqual({});
  });

  it.each(['', '.a', 'a-', 'a b', 'a/b', 'k'.repeat(65)])('is not called %j', async (Name) => {
    expect(await refusal(make(kind, { Name, Data: 'aGVsbG8=' }))).toContain(
      `invalid: invalid ${kind} name ${JSON.stringify(Name)}: use 1 to 64 characters`,
    );
  });

  it('may have a name of 64 characters', async () => {
    expect(await make(kind, { Name: 'k'.repeat(64), Data: 'aGVsbG8=' })).toBeDefined();
  });

  it('can’t have the name of another, also when both are made at the same time', async () => {
    const twice = [1, 2].map(() => make(kind, { Name: 'key', Data: 'aGVsbG8=' }));
    const outcomes = await Promise.allSettled(twice);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(await refusal(make(kind, { Name: 'key', Data: 'aGVsbG8=' }))).toBe(
      `conflict: ${kind} key already exists`,
    );
  });

  it.each(['aGVsbG8', 'aGVs*G8=', 'aGVsbG8-', '=aGVsbG8', '===='])(
    'has content in base64, not %s',
    async (Data) => {
      expect(await refusal(make(kind, { Name: 'key', Data }))).toBe(
        `invalid: ${kind} data is not base64`,
      );
    },
  );

  it('may have its content in lines, as some encoders write it', async () => {
    const { id } = await make(kind, { Name: 'key', Data: 'aGVs\r\nbG8=\n' });
    expect(desk.get('payload', id).data).toBe('aGVsbG8=');
  });

  it.each([undefined, '', '\n'])('has some content, not %j', async (Data) => {
    const spec = { Name: 'key', ...(Data === undefined ? {} : { Data }) };
    expect(await refusal(make(kind, spec))).toContain(
      `invalid: ${kind} data must be larger than 0`,
    );
  });

  it('has no more content than Docker takes', async () => {
    const most = kind === 'secret' ? 500 * 1024 : 1000 * 1024;
    expect(await make(kind, { Name: 'most', Data: bytes(most) })).toBeDefined();
    expect(await refusal(make(kind, { Name: 'more', Data: bytes(most + 1) }))).toBe(
      `invalid: ${kind} data must be larger than 0 and at most ${most} bytes, not ${most + 1}`,
    );
  });

  it('has labels of a bounded length', async () => {
    const Labels = { a: 'x'.repeat(1024 * 1024) };
    expect(await refusal(make(kind, { Name: 'key', Labels, Data: 'aGVsbG8=' }))).toContain(
      `invalid: labels of the ${kind} have`,
    );
  });
});

it('a secret and a config may have one name', async () => {
  for (const kind of KINDS) expect(await desk.payload(kind, 'key')).toBeDefined();
});

describe.each(KINDS)('a change of a %s', (kind) => {
  const Data = 'aGVsbG8=';
  let id: string;

  beforeEach(async () => {
    ({ id } = await make(kind, { Name: 'key', Data }));
  });

  it.each([undefined, '', Data])('is one of labels, with the content as %j', async (content) => {
    const spec = { Name: 'key', Labels: { a: 'b' } };
    await change(kind, id, content === undefined ? spec : { ...spec, Data: content });
    expect(desk.get(kind, id).spec).toEqual(spec);
    expect(desk.get('payload', id).data).toBe(Data);
  });

  // Who sent back what was taken at first was told that the content had changed.
  it('may have the content in lines, as it was made', async () => {
    await change(kind, id, { Name: 'key', Labels: { a: 'b' }, Data: 'aGVs\nbG8=\n' });
    expect(desk.get(kind, id).spec.Labels).toEqual({ a: 'b' });
  });

  it('may take all labels away', async () => {
    await change(kind, id, { Name: 'key', Labels: { a: 'b' } });
    await change(kind, id, { Name: 'key' });
    expect(desk.get(kind, id).spec.Labels ?? {}).toEqual({});
  });

  it.each([
    ['its name', { Name: 'other' }],
    ['its content', { Name: 'key', Data: 'b3RoZXI=' }],
  ])('is none of %s', async (_what, spec) => {
    expect(await refusal(change(kind, id, spec))).toBe(
      'invalid: only updates to Labels are allowed: Name and Data stay',
    );
  });

  it('names the version that it changes', async () => {
    const version = specIndexOf(desk.get(kind, id));
    await change(kind, id, { Name: 'key', Labels: { a: 'b' } });
    expect(await refusal(change(kind, id, { Name: 'key' }, version))).toBe(
      'outOfSequence: update out of sequence',
    );
  });

  it('has a bound for labels', async () => {
    const Labels = { a: 'x'.repeat(1024 * 1024) };
    expect(await refusal(change(kind, id, { Name: 'key', Labels }))).toContain('invalid: labels');
  });
});

describe.each(KINDS)('a %s that is to go', (kind) => {
  it('takes its content with it', async () => {
    const id = await desk.payload(kind, 'key');
    await drop(kind, 'key');
    expect(desk.view.get(kind, id)).toBeUndefined();
    expect(desk.view.get('payload', id)).toBeUndefined();
  });

  it('stays while services use it, whose names are told', async () => {
    const id = await desk.payload(kind, 'key');
    await desk.service({ Name: 'web', ...having(kind, id) });
    expect(await refusal(drop(kind, 'key'))).toBe(
      `invalid: ${kind} 'key' is in use by the following service: web`,
    );
    await desk.service({ Name: 'other', ...having(kind, id) });
    const text = await refusal(drop(kind, id));
    expect(text).toContain(`is in use by the following services: `);
    expect(text.split(': ').at(-1)?.split(', ').toSorted()).toEqual(['other', 'web']);
  });

  it('stays while a failing update would go back to it, and no longer', async () => {
    const id = await desk.payload(kind, 'key');
    const UpdateConfig = { Parallelism: 1, FailureAction: 'rollback' } as const;
    const service = await desk.service({ UpdateConfig, ...having(kind, id) });
    const without = { ContainerSpec: { Image: 'hello:1' } };
    await desk.updateService(service, (spec) => ({ ...spec, TaskTemplate: without }));
    expect(await refusal(drop(kind, 'key'))).toContain('in use by the following service: web');
    const updateStatus = { state: 'completed', startedAt: 0, message: '' } as const;
    await desk.change('service', service, { updateStatus });
    await drop(kind, 'key');
    expect(await refusal(desk.rollBack(service))).toBe(`invalid: ${kind} not found: key`);
  });

  it('must be there', async () => {
    expect(await refusal(drop(kind, 'key'))).toBe(`notFound: ${kind} key not found`);
  });

  it('is not taken from a service that is made at the same time', async () => {
    const id = await desk.payload(kind, 'key');
    const [made, dropped] = await Promise.allSettled([
      desk.service(having(kind, id)),
      drop(kind, 'key'),
    ]);
    expect([made.status, dropped.status]).toEqual(['fulfilled', 'rejected']);
    expect(desk.view.get(kind, id)).toBeDefined();
  });
});
