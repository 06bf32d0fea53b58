// Which ports a service may ask for, beside those of others.
import { beforeEach, describe, expect, it } from 'vitest';
import type { PortConfig, ServiceSpec } from '../../model/index.ts';
import { ControlDesk, refusal } from '../../../test/builders/control-desk.ts';

let desk: ControlDesk;

beforeEach(async () => {
  desk = await ControlDesk.open();
});

function port(
  PublishedPort: number | undefined,
  PublishMode: PortConfig['PublishMode'] = 'ingress',
  more: Partial<PortConfig> = {},
): PortConfig {
  const number = PublishedPort === undefined ? {} : { PublishedPort };
  return { Protocol: 'tcp', TargetPort: 80, PublishMode, ...number, ...more };
}

const publishing = (...Ports: PortConfig[]): Pick<ServiceSpec, 'EndpointSpec'> => ({
  EndpointSpec: { Ports },
});

const asking = (Name: string, ...Ports: PortConfig[]): Promise<string> =>
  desk.service({ Name, ...publishing(...Ports) });

describe('a published port', () => {
  it.each([
    ['ingress', 'ingress'],
    ['ingress', 'host'],
    ['host', 'ingress'],
  ] as const)('in mode %s keeps others from having it in mode %s', async (first, second) => {
    const id = await asking('web', port(8080, first));
    const how = first === 'host' ? 'a host-published' : 'an ingress';
    expect(await refusal(asking('other', port(8080, second)))).toBe(
      `invalid: port '8080' is already in use by service 'web' (${id}) as ${how} port`,
    );
  });

  it('of hosts may be that of two services: they are kept apart by nodes', async () => {
    await asking('web', port(8080, 'host'));
    expect(await asking('other', port(8080, 'host'))).toBeDefined();
  });

  it('is another one in another protocol', async () => {
    await asking('web', port(53));
    expect(await asking('other', port(53, 'ingress', { Protocol: 'udp' }))).toBeDefined();
  });

  it('may stay what it is when its service changes', async () => {
    const id = await asking('web', port(8080));
    const { spec } = await desk.updateService(id, (old) => ({ ...old, Labels: { a: 'b' } }));
    expect(spec.EndpointSpec?.Ports).toEqual([port(8080)]);
  });

  it('left open clashes with nothing', async () => {
    await asking('web', port(undefined), port(0, 'host'));
    expect(await asking('other', port(undefined))).toBeDefined();
  });

  it('that was given where it was left open is that service’s', async () => {
    const id = await asking('web', port(undefined));
    const { endpoint } = desk.get('service', id);
    await desk.change('service', id, { endpoint: { ...endpoint, ports: [port(30_000)] } });
    expect(await refusal(asking('other', port(30_000)))).toContain("in use by service 'web'");
  });

  it('is free once its service is gone', async () => {
    const id = await asking('web', port(8080));
    await desk.control.handle('service.remove', { id });
    expect(await asking('other', port(8080))).toBeDefined();
  });

  it('is looked at among all that a service asks for', async () => {
    await asking('web', port(8080));
    const text = await refusal(asking('other', port(7070), port(8080, 'ingress')));
    expect(text).toContain("port '8080' is already in use");
  });

  it('of another service can’t be had by an update either', async () => {
    await asking('web', port(8080));
    const id = await asking('other', port(7070));
    const change = desk.updateService(id, (spec) => ({ ...spec, ...publishing(port(8080)) }));
    expect(await refusal(change)).toContain("in use by service 'web'");
    expect(desk.get('service', id).spec.EndpointSpec?.Ports).toEqual([port(7070)]);
  });
});

describe('a port by which nodes are reached', () => {
  it.each([22, 2377, 2378, 4789, 4788, 4787])('is not published: %i', async (number) => {
    expect(await refusal(asking('web', port(number)))).toContain(
      `invalid: port ${number} can't be published`,
    );
    expect(await refusal(asking('web', port(number, 'host')))).toContain('nodes are reached by it');
  });

  it('follows the cluster’s own data path port', async () => {
    const cluster = desk.view.cluster;
    if (cluster === undefined) throw new Error('no cluster');
    await desk.change('cluster', cluster.id, { dataPathPort: 5_000 });
    expect(await refusal(asking('web', port(5_000)))).toContain("can't be published");
    expect(await asking('web', port(4789))).toBeDefined();
  });
});

describe('a port that a service may go back to', () => {
  /** Service `web` on its way from port 8080 to 9090. */
  async function moving(FailureAction: 'rollback' | 'pause'): Promise<string> {
    const UpdateConfig = { FailureAction, Parallelism: 1 };
    const id = await desk.service({ Name: 'web', UpdateConfig, ...publishing(port(8080)) });
    await desk.updateService(id, (spec) => ({ ...spec, ...publishing(port(9090)) }));
    return id;
  }

  it('by itself is still its own while it updates', async () => {
    await moving('rollback');
    expect(await refusal(asking('other', port(8080)))).toContain("in use by service 'web'");
  });

  it('by itself is free once the update is over', async () => {
    const id = await moving('rollback');
    const updateStatus = { state: 'completed', startedAt: 0, message: '' } as const;
    await desk.change('service', id, { updateStatus });
    expect(await asking('other', port(8080))).toBeDefined();
  });

  it('by hand alone is free, and then there is no way back', async () => {
    const id = await moving('pause');
    await asking('other', port(8080));
    expect(await refusal(desk.rollBack(id))).toContain("in use by service 'other'");
    expect(desk.get('service', id).spec.EndpointSpec?.Ports).toEqual([port(9090)]);
  });

  // A rollback names the spec that the service has, which has no ports: both went on side by side.
  it('by hand is not given to two that go back to it at the same time', async () => {
    const ids: string[] = [];
    for (const name of ['web', 'other']) {
      const id = await asking(name, port(8080));
      await desk.updateService(id, (spec) => ({ ...spec, ...publishing() }));
      ids.push(id);
    }
    const outcomes = await Promise.allSettled(ids.map((id) => desk.rollBack(id)));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });
});
