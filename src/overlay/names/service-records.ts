// SRV records (RFC 2782) of a network's services: `_80._tcp.web`, or `_http._tcp.web` for a port that
// has a name. They lead to the port on which the tasks listen: that is where one arrives on a network.
import type { ServiceEndpointAssignment, TaskEndpointAssignment } from '../../model/index.ts';
import type { ServiceRecord } from '../../resolver/protocol/index.ts';

/** Tasks in the records of one name; more would not fit into an answer. */
const MAX_TARGETS = 64;

/** By question in small letters. Services with a virtual address lead to it, others to their tasks. */
export function serviceRecords(
  services: readonly ServiceEndpointAssignment[],
  endpoints: readonly TaskEndpointAssignment[],
): Record<string, readonly ServiceRecord[]> {
  const records: Record<string, readonly ServiceRecord[]> = {};
  for (const service of services) {
    const { serviceId, name, aliases, mode, exposed = [] } = service;
    if (exposed.length === 0) continue;
    const tasks = endpoints.filter((one) => one.active && one.serviceId === serviceId);
    const targets =
      mode === 'vip' ? [name] : tasks.slice(0, MAX_TARGETS).map((endpoint) => endpoint.name);
    for (const { Name, Protocol, TargetPort: port, PublishedPort } of exposed) {
      const labels = new Set([Name, labelOf(port), labelOf(PublishedPort)]);
      for (const label of labels) {
        if (label === undefined || label === '') continue;
        for (const own of [name, ...aliases]) {
          const question = `_${label}._${Protocol}.${own}`.toLowerCase();
          records[question] ??= targets.map((target) => ({ port, target }));
        }
      }
    }
  }
  return records;
}

function labelOf(port: number | undefined): string | undefined {
  return port === undefined || port === 0 ? undefined : String(port);
}
