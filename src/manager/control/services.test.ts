// What a new service is stored as, what it may refer to, and what it is called.
import { Prng } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { aServiceSpec } from '../../../test/builders/specs.ts';
import { ControlDesk, onNetworks, refusal } from '../../../test/builders/control-desk.ts';
import { randomName } from './random-name.ts';

let desk: ControlDesk;

beforeEach(async () => {
  desk = await ControlDesk.open();
});

describe('a new service', () => {
  it('is stored with a revision of the same spec, which its tasks refer to', async () => {
    const service = desk.get('service', await desk.service());
    expect(service.specVersion).toBe(1);
    expect(service.previousSpec).toBeUndefined();
    expect(desk.get('revision', service.revisionId)).toMatchObject({
      serviceId: service.id,
      spec: service.spec,
    });
  });

  it('has been given nothing yet, and has no update on its way', async () => {
    const service = desk.get('service', await desk.service());
    expect(service.endpoint).toEqual({ ports: [], virtualIps: [], allocatedFor: 0 });
    expect(service.updateStatus).toBeUndefined();
  });

  // Docker's clients dereference these without a look.
  it.each([
    ['nothing of a mode', {}, { Replicated: { Replicas: 1 } }],
    ['no replicas at all', { Replicated: { Replicas: 0 } }, { Replicated: { Replicas: 0 } }],
    ['global', { Global: {} }, { Global: {} }],
  ])('that says %s has its mode filled in', async (_said, Mode, stored) => {
    const { spec } = desk.get('service', await desk.service({ Mode }));
    expect(spec).toMatchObject({ Mode: stored, Labels: {}, EndpointSpec: { Mode: 'vip' } });
  });

  it('keeps the endpoint mode and labels that it names', async () => {
    const wishes = { Labels: { a: 'b' }, EndpointSpec: { Mode: 'dnsrr' as const } };
    const { spec } = desk.get('service', await desk.service(wishes));
    expect(spec).toMatchObject(wishes);
  });

  it('may not have the name of another', async () => {
    await desk.service({ Name: 'web' });
    expect(await refusal(desk.service({ Name: 'web' }))).toBe(
      'conflict: name conflicts with an existing object: service web already exists',
    );
  });

  it('may have the name of one that is gone', async () => {
    const first = await desk.service({ Name: 'web' });
    await desk.control.handle('service.remove', { id: 'web' });
    expect(await desk.service({ Name: 'web' })).not.toBe(first);
  });

  it('of no sense is refused before anything is written', async () => {
    const text = await refusal(desk.service({ Name: 'no/name' }));
    expect(text).toContain('invalid: name must be valid as a DNS name component');
    expect([...desk.view.all('service')]).toEqual([]);
    expect([...desk.view.all('revision')]).toEqual([]);
  });

  it('has its registry credentials under its revision, and none when none were given', async () => {
    const secretly = desk.get('service', await desk.service({ Name: 'a' }, 'auth'));
    const openly = desk.get('service', await desk.service({ Name: 'b' }, ''));
    expect(desk.get('credential', secretly.revisionId).registryAuth).toBe('auth');
    expect(desk.view.get('credential', openly.revisionId)).toBeUndefined();
  });
});

describe('the networks of a service', () => {
  it('may be named, and are stored by their ids with what else was said', async () => {
    const id = await desk.network('back');
    const named = await desk.service(onNetworks({ Target: 'back', Aliases: ['db'] }));
    expect(desk.get('service', named).spec.TaskTemplate.Networks).toEqual([
      { Target: id, Aliases: ['db'] },
    ]);
  });

  it('may be given by the beginning of an id', async () => {
    const id = await desk.network('back');
    const service = await desk.service(onNetworks({ Target: id.slice(0, 12) }));
    expect(desk.get('service', service).spec.TaskTemplate.Networks).toEqual([{ Target: id }]);
  });

  it('are also those that every host has', async () => {
    const service = await desk.service(onNetworks({ Target: 'host' }));
    expect(desk.get('service', service).spec.TaskTemplate.Networks).toEqual([{ Target: 'host' }]);
  });

  it('must be there', async () => {
    const text = await refusal(desk.service(onNetworks({ Target: 'nowhere' })));
    expect(text).toBe('notFound: network nowhere not found');
  });

  it('are each another one, however they are written', async () => {
    const id = await desk.network('back');
    const text = await refusal(desk.service(onNetworks({ Target: 'back' }, { Target: id })));
    expect(text).toBe(`invalid: network ${id} is given twice: once is enough`);
  });

  it('are not that of the routing mesh', async () => {
    await desk.network('mesh', { Ingress: true });
    const text = await refusal(desk.service(onNetworks({ Target: 'mesh' })));
    expect(text).toContain("invalid: service can't be attached to the ingress network mesh");
  });
});

describe('the files of a service', () => {
  it.each(['secret', 'config'] as const)('must be there: a %s', async (kind) => {
    const id = await desk.payload(kind, 'key');
    const files = (known: string) => ({
      ...aServiceSpec().TaskTemplate,
      ContainerSpec: {
        Image: 'hello:1',
        Secrets: kind === 'secret' ? [{ SecretID: known, SecretName: 'key' }] : [],
        Configs: kind === 'config' ? [{ ConfigID: known, ConfigName: 'key' }] : [],
      },
    });
    expect(await desk.service({ Name: 'good', TaskTemplate: files(id) })).toBeDefined();
    const text = await refusal(desk.service({ Name: 'bad', TaskTemplate: files('gone') }));
    expect(text).toBe(`invalid: ${kind} not found: key`);
  });

  // The name is for people: who made one anew under it has to say so by an update.
  it('are meant by id, not by name', async () => {
    await desk.payload('secret', 'key');
    const ContainerSpec = {
      Image: 'hello:1',
      Secrets: [{ SecretID: 'key', SecretName: '' }],
    };
    const text = await refusal(desk.service({ TaskTemplate: { ContainerSpec } }));
    expect(text).toBe('invalid: secret not found: key');
  });
});

describe('the removal of a service', () => {
  it('takes an id, a name, or the beginning of an id', async () => {
    const ids = [
      await desk.service({ Name: 'a' }),
      await desk.service({ Name: 'b' }),
      await desk.service({ Name: 'c' }),
    ];
    const [first = '', , third = ''] = ids;
    for (const id of [first, 'b', third.slice(0, 12)]) {
      const answer = await desk.control.handle('service.remove', { id });
      expect(ids).toContain(answer.id);
    }
    expect([...desk.view.all('service')]).toEqual([]);
  });

  it('leaves the revision to the tasks that still stop', async () => {
    const id = await desk.service();
    const { revisionId } = desk.get('service', id);
    await desk.control.handle('service.remove', { id });
    expect(desk.view.get('revision', revisionId)).toBeDefined();
  });

  it('of what is not there says so', async () => {
    expect(await refusal(desk.control.handle('service.remove', { id: 'web' }))).toBe(
      'notFound: service web not found',
    );
  });
});

describe('the name of a service that was given none', () => {
  it('is an adjective and a thing, which make a DNS label', async () => {
    const { spec } = desk.get('service', await desk.service({ Name: '' }));
    expect(spec.Name).toMatch(/^[a-z]+_[a-z]+$/u);
  });

  it('is nobody else’s', async () => {
    for (let i = 0; i < 200; i++) await desk.service({ Name: '' });
    const names = [...desk.view.all('service')].map(({ spec }) => spec.Name);
    expect(new Set(names).size).toBe(200);
  });

  it('gets a number once names without one are mostly taken', () => {
    const name = randomName(new Prng('names'), (one) => !/\d/u.test(one));
    expect(name).toMatch(/^[a-z]+_[a-z]+\d+$/u);
  });

  it('is not looked for without end', () => {
    const asked: string[] = [];
    const taken = (name: string): boolean => asked.push(name) > 0;
    expect(() => randomName(new Prng('names'), taken)).toThrow('no free name was found');
    expect(asked).toHaveLength(10);
  });
});
