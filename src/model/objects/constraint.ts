// Placement constraints as in `docker service create --constraint`: parse and match.
// Keys: node.id, node.hostname, node.ip, node.role, node.platform.os, node.platform.arch,
// node.labels.*, engine.labels.*; operators == and !=; values compare without case.
import { SwarmError } from '../../base/index.ts';
import { addressFamily, parseSubnet, subnetContains } from '../addresses/index.ts';
import type { Node } from './objects.ts';

/** A placement constraint, parsed: `node.labels.zone==a`. */
export interface Constraint {
  readonly key: string;
  readonly operator: '==' | '!=';
  readonly value: string;
}

const EXPRESSION = /^\s*([a-zA-Z][a-zA-Z0-9._-]*)\s*(==|!=)\s*(\S(?:.*\S)?)\s*$/;
const LABEL_PREFIXES = ['node.labels.', 'engine.labels.'];
const FIXED_KEYS = new Set([
  'node.id',
  'node.hostname',
  'node.ip',
  'node.role',
  'node.platform.os',
  'node.platform.arch',
]);

/** Raises `invalid` naming the expression when it is not of the form `key==value` or `key!=value`. */
export function parseConstraint(expression: string): Constraint {
  const match = EXPRESSION.exec(expression);
  const [, key, operator, value] = match ?? [];
  if (key === undefined || value === undefined || (operator !== '==' && operator !== '!=')) {
    throw new SwarmError(
      'invalid',
      `constraint ${JSON.stringify(expression)} is not of the form key==value or key!=value`,
    );
  }
  const folded = foldedKey(key);
  if (
    !FIXED_KEYS.has(folded) &&
    !LABEL_PREFIXES.some((prefix) => folded.length > prefix.length && folded.startsWith(prefix))
  ) {
    throw new SwarmError(
      'invalid',
      `constraint key ${JSON.stringify(key)} is unknown: use ${[...FIXED_KEYS].join(', ')}, node.labels.NAME or engine.labels.NAME`,
    );
  }
  return { key: folded, operator, value };
}

/** True when the node satisfies all constraints. */
export function matchesConstraints(node: Node, constraints: readonly Constraint[]): boolean {
  return constraints.every((constraint) => matches(node, constraint));
}

function matches(node: Node, { key, operator, value }: Constraint): boolean {
  const equal =
    key === 'node.ip'
      ? ipMatches(node.status.address, value)
      : valueOf(node, key).toLowerCase() === value.toLowerCase();
  return operator === '==' ? equal : !equal;
}

/** The value that constraints and spread preferences see; empty when the node has none. */
export function valueOf(node: Node, name: string): string {
  const key = foldedKey(name);
  const description = node.description;
  switch (key) {
    case 'node.id':
      return node.id;
    case 'node.hostname':
      return description?.hostname ?? '';
    case 'node.role':
      return node.role;
    case 'node.platform.os':
      return description?.platform.os ?? '';
    case 'node.platform.arch':
      return description?.platform.architecture ?? '';
  }
  if (key.startsWith('node.labels.'))
    return node.spec.Labels?.[key.slice('node.labels.'.length)] ?? '';
  if (key.startsWith('engine.labels.')) {
    return description?.engine.labels[key.slice('engine.labels.'.length)] ?? '';
  }
  return '';
}

/** An address, or a subnet of either family; the node's own has its port behind it. */
function ipMatches(hostPort: string, pattern: string): boolean {
  const address = hostPort.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  const family = addressFamily(pattern);
  if (family === undefined) return address === pattern;
  const prefix = pattern.includes('/') ? '' : `/${family === 6 ? 128 : 32}`;
  try {
    return subnetContains(parseSubnet(pattern + prefix, { anyHost: true }), address);
  } catch {
    return false;
  }
}

/** Prefixes and fixed keys without regard to case, as in Docker; names of labels as they are. */
function foldedKey(key: string): string {
  const prefix = LABEL_PREFIXES.find((one) => key.toLowerCase().startsWith(one));
  return prefix === undefined ? key.toLowerCase() : prefix + key.slice(prefix.length);
}
