// A host's part of `network trace`: what the kernel, the resolver and the task of this host say about
// the way to or from that task. Looks and tries, and changes nothing.
import { messageOf } from '../../base/index.ts';
import type { ProbeOutcome, TraceAnswer, TraceQuestion } from '../../model/index.ts';
import { networkNamespace, taskNamespace } from '../addressing/index.ts';
import { foreignDrops } from '../firewalls/index.ts';
import { HOST, type Kernel, type TraceProbes } from '../kernel/index.ts';
import type { NamespaceReconciler } from '../reconcile/index.ts';
import type { NetworkView } from '../desired/index.ts';
import type { OverlayState } from '../contract/index.ts';

export interface TraceContext {
  readonly kernel: Kernel;
  readonly probes: TraceProbes | undefined;
  /** Begin of the names of our tables. */
  readonly tablePrefix: string;
  readonly problems: readonly string[];
  readonly insight: TraceInsight;
}

/** The engine as it is between two passes. */
export interface TraceInsight {
  readonly views: ReadonlyMap<string, NetworkView>;
  readonly state: OverlayState | undefined;
  readonly reconcilers: ReadonlyMap<string, NamespaceReconciler>;
}

/** Namespaces and probes of one question; more are not looked at. */
const MAX_PROBES = 8;

export async function traceTask(
  context: TraceContext,
  question: TraceQuestion,
): Promise<TraceAnswer> {
  const { kernel, probes, problems } = context;
  const namespace = taskNamespace(question.taskId);
  const path = kernel.namespacePath(namespace);
  const attached = (await kernel.listNamespaces()).includes(namespace);
  const { name, networkId, serviceId } = question;
  const inTask = attached ? probes : undefined;
  const addresses = name === undefined ? undefined : await inTask?.lookUp(path, name);
  const said = [...problems];
  const tell = (error: unknown): undefined => void said.push(messageOf(error));
  const ports = (await inTask?.listening(path).catch(tell)) ?? { all: [], local: [] };
  const outcomes: ProbeOutcome[] = [];
  for (const { address, port } of question.probes.slice(0, MAX_PROBES)) {
    outcomes.push((await inTask?.connect(path, address, port)) ?? 'failed');
  }
  const dropped = await drops(context, tell);
  return {
    attached,
    problems: said,
    differences: attached ? await allDifferences(context, networkId, namespace) : [],
    ...(addresses === undefined ? {} : { addresses }),
    endpoints: activeEndpoints(context.insight.views.get(networkId), serviceId),
    listening: ports.all,
    local: ports.local,
    outcomes,
    drops: dropped,
  };
}

async function allDifferences(
  { insight }: TraceContext,
  networkId: string,
  namespace: string,
): Promise<string[]> {
  const found: string[] = [];
  for (const one of [namespace, networkNamespace(networkId), HOST]) {
    const where = one === namespace ? 'the task' : one === HOST ? 'the host' : 'the network';
    try {
      const lacking = await insight.reconcilers.get(one)?.differences();
      found.push(...(lacking ?? ['it is not there']).map((text) => `in ${where}: ${text}`));
    } catch (error) {
      found.push(`in ${where}: ${messageOf(error)}`);
    }
  }
  return found;
}

function activeEndpoints(view: NetworkView | undefined, serviceId: string | undefined): string[] {
  const own = view?.endpoints.filter((one) => one.active && one.serviceId === serviceId) ?? [];
  return own.flatMap(({ addresses }) => addresses.slice(0, 1));
}

async function drops(
  { kernel, tablePrefix, insight }: TraceContext,
  tell: (error: unknown) => undefined,
): Promise<string[]> {
  const ruleset = (await kernel.nft(HOST, 'list ruleset').catch(tell)) ?? '';
  return foreignDrops(ruleset, tablePrefix, insight.state?.dataPathPort ?? 0);
}
