// `network trace` on a manager: asks the hosts at both ends and puts together what they found.
import { SwarmError, messageOf } from '../../base/index.ts';
import {
  judgeTrace,
  planTrace,
  reportOf,
  type HostFinding,
  type StoreView,
  type TracedTask,
} from '../../manager/index.ts';
import type { TraceAnswer, TraceQuestion, TraceReport } from '../../model/index.ts';

/** Asks one host. */
export type AskHost = (
  node: { readonly nodeId: string; readonly address: string },
  question: TraceQuestion,
) => Promise<TraceAnswer>;

/** Fails with `notFound` when a name is neither a service's nor a task's. */
export async function traceNetwork(
  view: StoreView,
  ask: AskHost,
  request: { readonly from: string; readonly to: string; readonly port: number | undefined },
): Promise<TraceReport> {
  const { from, to } = request;
  const { steps, way } = planTrace(view, from, to, request.port);
  if (way === undefined) return reportOf(from, to, steps);
  const { network, source, service, vip } = way;
  const targets = await Promise.all(
    way.targets.map((target) =>
      find(ask, target, { taskId: target.task.id, networkId: network.id, probes: [] }),
    ),
  );
  const port = way.port ?? firstPort(targets);
  const addresses = [...way.targets.map(({ address }) => address), ...(vip ? [vip] : [])];
  const found = await find(ask, source, {
    taskId: source.task.id,
    networkId: network.id,
    name: way.name,
    serviceId: service.id,
    probes: port === undefined ? [] : addresses.map((address) => ({ address, port })),
  });
  return reportOf(from, to, [...steps, ...judgeTrace(way, { source: found, targets, port })]);
}

function firstPort(findings: readonly HostFinding[]): number | undefined {
  for (const finding of findings) {
    if (typeof finding !== 'string' && finding.listening[0] !== undefined)
      return finding.listening[0];
  }
  return undefined;
}

async function find(
  ask: AskHost,
  { node }: TracedTask,
  question: TraceQuestion,
): Promise<HostFinding> {
  if (node.status.state === 'down') return 'it is down';
  try {
    return await ask({ nodeId: node.id, address: node.status.address }, question);
  } catch (error) {
    if (error instanceof SwarmError && error.code === 'unimplemented') {
      return 'its release knows no trace';
    }
    return messageOf(error);
  }
}
