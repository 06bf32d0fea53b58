// The difference between what a namespace has and what it must have, as ops in an order in which
// nothing points to something missing: new things first, then the nftables transaction, then what
// is no longer needed. Pure.
import { mapChanges } from '../../base/index.ts';
import {
  HOST,
  keyOf,
  textOf,
  type KernelObject,
  type KernelOp,
  type Link,
  type Route,
} from './kernel.ts';

export interface ObjectPlan {
  readonly before: readonly KernelOp[];
  readonly after: readonly KernelOp[];
  /** A link is made anew: the kernel drops what hangs on the old one, so one must read again. */
  readonly rereads: boolean;
}

/** Order of making; the reverse of removing. */
const ORDER: Readonly<Record<KernelObject['kind'], number>> = {
  veth: 0,
  vxlan: 0,
  address: 1,
  neighbour: 2,
  fdb: 3,
  route: 4,
  rule: 5,
};

export function planObjects(
  namespace: string,
  actual: ReadonlyMap<string, KernelObject>,
  desired: ReadonlyMap<string, KernelObject>,
): ObjectPlan {
  if (actual === desired) return { before: [], after: [], rereads: false };
  const before: KernelOp[] = [];
  const after: KernelOp[] = [];
  let rereads = false;
  for (const { before: old, after: object } of mapChanges(actual, desired)) {
    if (object === undefined) {
      const leaves = old && isLink(old) && old.leavesWithPeer === true;
      if (old !== undefined && !leaves) after.push({ op: 'delete', object: old });
      continue;
    }
    if (old && textOf(old) === textOf(object)) continue;
    if (old === undefined) {
      before.push({ op: 'set', object });
      continue;
    }
    const change = changeOf(namespace, old, object);
    rereads ||= change.length > 1 && isLink(object);
    before.push(...change);
  }
  return {
    before: stableSort(before, (op) => ORDER[op.object.kind]),
    after: stableSort(after, (op) => -ORDER[op.object.kind]),
    rereads,
  };
}

/** One line for each op, as in logs and tests. */
export function planText(ops: readonly KernelOp[]): string[] {
  return ops.map(({ op, object }) => {
    if (op === 'delete') return `delete ${keyOf(object)}`;
    const peer = isLink(object) ? object.peer : undefined;
    const tail = peer === undefined ? '' : ` peer ${peer.name} in ${peer.namespace}`;
    return `set ${textOf(object)}${tail}`;
  });
}

function changeOf(namespace: string, old: KernelObject, object: KernelObject): KernelOp[] {
  const anew: KernelOp[] = [
    { op: 'delete', object: old },
    { op: 'set', object },
  ];
  if (isLink(object)) {
    if (!isLink(old) || old.kind !== object.kind || tunnelOf(old) !== tunnelOf(object)) return anew;
    return [{ op: 'set', object: bareLink(object) }];
  }
  // In the host's namespace a route is never replaced, it might be somebody else's.
  if (object.kind === 'rule' || (isRoute(object) && namespace === HOST)) return anew;
  return [{ op: 'set', object }];
}

function isLink(object: KernelObject): object is Link {
  return object.kind === 'veth' || object.kind === 'vxlan';
}

function isRoute(object: KernelObject): object is Route {
  return object.kind === 'route';
}

function tunnelOf({ vxlan }: Link): string {
  return vxlan === undefined ? '' : `${vxlan.vni} ${vxlan.port} ${vxlan.local}`;
}

/** Without what makes a new one: only MTU and MAC are set. */
function bareLink({ kind, name, mtu, mac }: Link): Link {
  return { kind, name, mtu, mac };
}

function stableSort<T>(items: readonly T[], rank: (item: T) => number): T[] {
  return [...items].sort((a, b) => rank(a) - rank(b));
}
