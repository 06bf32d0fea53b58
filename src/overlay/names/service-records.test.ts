import { describe, expect, it } from 'vitest';
import type {
  PortConfig,
  ServiceEndpointAssignment,
  TaskEndpointAssignment,
} from '../../model/index.ts';
import { serviceRecords } from './service-records.ts';

const HTTP: PortConfig = {
  Name: 'Http',
  Protocol: 'tcp',
  TargetPort: 80,
  PublishedPort: 8080,
  PublishMode: 'ingress',
};

function service(values: Partial<ServiceEndpointAssignment>): ServiceEndpointAssignment {
  const ids = { networkId: 'front', serviceId: 's1', name: 'web', aliases: ['www'] };
  return { ...ids, mode: 'vip', vip: '10.0.1.2', ports: [], sticky: false, ...values };
}

function task(number: number, active: boolean): TaskEndpointAssignment {
  const ids = { networkId: 'front', serviceId: 's1', taskId: `t${number}`, nodeId: 'h1' };
  const addresses = [`10.0.1.1${number}`];
  return { ...ids, name: `web.${number}.t${number}`, addresses, aliases: [], active };
}

describe('serviceRecords', () => {
  it('has a port by name, by number and by published number, for all names', () => {
    const records = serviceRecords([service({ exposed: [HTTP] })], []);
    const found = [{ port: 80, target: 'web' }];
    expect(records['_http._tcp.web']).toEqual(found);
    expect(records['_80._tcp.www']).toEqual(found);
    expect(records['_8080._tcp.web']).toEqual(found);
    expect(Object.keys(records)).toHaveLength(6);
  });

  it('leads to the active tasks where there is no virtual address', () => {
    const records = serviceRecords(
      [service({ mode: 'dnsrr', exposed: [HTTP] })],
      [task(1, true), task(2, false)],
    );
    expect(records['_http._tcp.web']).toEqual([{ port: 80, target: 'web.1.t1' }]);
  });

  it('has none of services without ports', () => {
    expect(serviceRecords([service({})], [task(1, true)])).toEqual({});
  });
});
