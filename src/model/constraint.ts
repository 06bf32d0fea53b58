// Placement constraints as in `docker service create --constraint`: parse and match.
// Keys: node.id, node.hostname, node.ip, node.role, node.platform.os, node.platform.arch,
// node.labels.*, engine.labels.*; operators == and !=; values compare without case.
import { SwarmError } from '../base/index.ts';
import type { Node } from './objects.ts';

export interface Constraint {
  readonly key: string;
  readonly operator: '==' | '!=';
  readonly value: string;
}

const EXPRESSION = /^\s*([a-zA-Z][a-zA-Z0-9._-]*)\s*(==|!=)\s*(\S(?:.*\S)?)\s*$/;
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
  if (!FIXED_KEYS.has(key) && !/^(node|engine)\.labels\../.test(key)) {
    throw new SwarmError(
      'invalid',
      `constraint key ${JSON.stringify(key)} is unknown: use ${[...FIXED_KEYS].join(', ')}, node.labels.NAME or engine.labels.NAME`,
    );
  }
  return { key, operator, value };
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
export function valueOf(node: Node, key: string): string {
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

function ipMatches(address: string, pattern: string): boolean {
  const [network = '', bits = '32'] = pattern.split('/');
  const a = ipv4Number(address);
  const b = ipv4Number(network);
  if (a === undefined || b === undefined) return address === pattern;
  const size = 2 ** (32 - Number(bits));
  return Math.floor(a / size) === Math.floor(b / size);
}

/** An IPv4 address as a number; undefined when it is none, also for other ways to write the numbers. */
export function ipv4Number(address: string): number | undefined {
  const parts = address.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part))) {
    return undefined;
  }
  const numbers = parts.map(Number);
  if (numbers.some((number) => number > 255)) return undefined;
  return numbers.reduce((sum, number) => sum * 256 + number, 0);
}

/** The inverse of `ipv4Number`. */
export function ipv4Text(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
