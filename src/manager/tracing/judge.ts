// Second part of `network trace`: what the hosts found, put in the order of a packet's way, and the
// first place where it breaks. Pure.
import type { TraceAnswer, TraceReport, TraceStep } from '../../model/index.ts';
import { hostOf, type TracedTask, type TraceWay } from './plan.ts';

/** A host's answer, or why there is none. */
export type HostFinding = TraceAnswer | string;

/** What the hosts have found, by what was asked of them. */
export interface Findings {
  readonly source: HostFinding;
  /** In the order of the way's targets. */
  readonly targets: readonly HostFinding[];
  /** The port that was tried; undefined: the target listens on none. */
  readonly port: number | undefined;
}

/** Outcomes are those of each target's address, and then of the virtual one. */
export function judgeTrace(way: TraceWay, { source, targets, port }: Findings): TraceStep[] {
  const host = hostOf(way.source.node);
  if (typeof source === 'string')
    return [step(host, 'broken', `${host} can't be asked: ${source}`)];
  return [
    ...placeSteps(host, source, way.source),
    nameStep(host, way, source),
    endpointStep(host, way, source, targets),
    ...way.targets.flatMap((target, index) =>
      targetSteps(way, target, targets[index], source, index, port),
    ),
    ...vipSteps(host, way, source, port),
  ];
}

/** The report as a whole; `from` and `to` as they were asked for. */
export function reportOf(from: string, to: string, steps: readonly TraceStep[]): TraceReport {
  const broken = steps.find(({ state }) => state === 'broken');
  const verdict =
    broken === undefined
      ? `${to} can be reached from ${from}`
      : `broken at ${broken.at}: ${broken.text}`;
  return { from, to, steps, verdict, reachable: broken === undefined };
}

function step(at: string, state: TraceStep['state'], text: string): TraceStep {
  return { at, state, text };
}

function placeSteps(host: string, answer: TraceAnswer, { name }: TracedTask): TraceStep[] {
  if (!answer.attached) return [step(host, 'broken', `${name} has no network namespace`)];
  const problems = answer.problems.map((problem) => step(host, 'unknown', problem));
  if (answer.differences.length > 0) {
    const list = answer.differences.slice(0, 3).join('; ');
    return [...problems, step(host, 'broken', `the kernel is not as wanted: ${list}`)];
  }
  const text = `links, routes, tunnels and rules of ${name} are as wanted`;
  return [...problems, step(host, 'ok', text)];
}

function nameStep(host: string, way: TraceWay, { addresses }: TraceAnswer): TraceStep {
  if (addresses === undefined)
    return step(host, 'broken', `the resolver says nothing of ${way.name}`);
  const wanted = way.vip === undefined ? way.targets.map(({ address }) => address) : [way.vip];
  const missing = wanted.filter((address) => !addresses.includes(address));
  const said = `${way.name} is ${addresses.length === 0 ? 'unknown' : addresses.join(', ')}`;
  return missing.length === 0
    ? step(host, 'ok', said)
    : step(host, 'broken', `${said}, but should be ${missing.join(', ')}`);
}

/** A host that can't be asked may be going down right now: then the others are right to leave it out. */
function endpointStep(
  host: string,
  way: TraceWay,
  { endpoints }: TraceAnswer,
  findings: readonly HostFinding[],
): TraceStep {
  const missing = way.targets.filter(
    ({ address }, index) => !endpoints.includes(address) && typeof findings[index] !== 'string',
  );
  if (missing.length === 0) {
    return step(host, 'ok', `new connections go to ${endpoints.join(', ')}`);
  }
  const names = missing.map(({ name }) => name).join(', ');
  return step(host, 'broken', `${host} does not know yet that ${names} is active`);
}

function targetSteps(
  way: TraceWay,
  target: TracedTask,
  answer: HostFinding | undefined,
  source: TraceAnswer,
  index: number,
  port: number | undefined,
): TraceStep[] {
  const host = hostOf(target.node);
  if (answer === undefined || typeof answer === 'string') {
    const reason = answer ?? 'it was not asked';
    return [step(host, 'broken', `host ${host} can't be asked: ${reason}`)];
  }
  const steps = placeSteps(host, answer, target);
  if (port === undefined) {
    const local = answer.local.length > 0 ? `, only on loopback (${answer.local.join(', ')})` : '';
    return [...steps, step(host, 'broken', `${target.name} listens on no TCP port${local}`)];
  }
  if (!answer.listening.includes(port)) steps.push(listeningStep(host, target, answer, port));
  const outcome = source.outcomes[index];
  const to = `${target.name} at ${target.address}:${port}`;
  if (outcome === 'open') return [...steps, step(host, 'ok', `${to} takes connections`)];
  if (outcome === undefined) return steps;
  const far = way.source.node.id !== target.node.id;
  const drops = source.drops.map((drop) => `${hostOf(way.source.node)}: ${drop}`);
  if (far) drops.push(...answer.drops.map((drop) => `${host}: ${drop}`));
  return [...steps, step(host, 'broken', lostText(outcome, to, far, drops))];
}

function listeningStep(
  host: string,
  { name }: TracedTask,
  { listening, local }: TraceAnswer,
  port: number,
): TraceStep {
  if (local.includes(port)) {
    return step(host, 'broken', `${name} listens on port ${port} at loopback addresses only`);
  }
  const others = listening.length > 0 ? `, only on ${listening.join(', ')}` : '';
  return step(host, 'broken', `nobody listens on port ${port} in ${name}${others}`);
}

function lostText(outcome: string, to: string, far: boolean, drops: readonly string[]): string {
  if (outcome === 'refused') return `${to} refuses connections`;
  if (outcome === 'unreachable') return `there is no route to ${to}`;
  if (outcome === 'failed') return `a connection to ${to} failed`;
  const where = far ? 'between the hosts: is UDP of the data path let through?' : 'on the host';
  const named = drops.length > 0 ? ` A firewall drops: ${drops.slice(0, 4).join('; ')}` : '';
  return `packets to ${to} get lost ${where}${named}`;
}

function vipSteps(
  host: string,
  { vip, targets }: TraceWay,
  { outcomes }: TraceAnswer,
  port: number | undefined,
): TraceStep[] {
  const outcome = outcomes[targets.length];
  if (vip === undefined || port === undefined || outcome === undefined) return [];
  const to = `the virtual address ${vip}:${port}`;
  return outcome === 'open'
    ? [step(host, 'ok', `${to} takes connections`)]
    : [step(host, 'broken', lostText(outcome, to, true, []))];
}
