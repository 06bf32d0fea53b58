// /nodes: list, inspect, update, remove.
import type { Node } from '../../model/index.ts';
import { nodeToApi, parseNodeSpec, type NodeView } from '../convert/index.ts';
import {
  checkValues,
  empty,
  listOf,
  ok,
  parseFilters,
  passes,
  passesLabels,
  type Filters,
  type Reply,
  type Request,
  type Route,
} from '../http/index.ts';
import { flag, manager, versionOf } from '../requests/index.ts';

export const nodeRoutes: readonly Route[] = [
  { method: 'GET', pattern: '/nodes', permission: 'node.read', handler: list },
  { method: 'GET', pattern: '/nodes/{id:node}', permission: 'node.read', handler: inspect },
  { method: 'DELETE', pattern: '/nodes/{id:node}', permission: 'node.write', handler: remove },
  { method: 'POST', pattern: '/nodes/{id:node}/update', permission: 'node.write', handler: update },
];

const FILTERS = ['id', 'name', 'label', 'node.label', 'role', 'membership'];

function nodeView(request: Request): NodeView {
  const { cluster, manager: backend } = manager(request);
  return {
    leaderId: backend.leaderId,
    reachability: (nodeId) => backend.reachability(nodeId),
    tls: cluster.tls,
  };
}

function list(request: Request): Promise<Reply> {
  const { queries } = manager(request).manager;
  const filters = parseFilters(request.query.get('filters'), FILTERS);
  checkValues(filters, 'role', ['worker', 'manager']);
  checkValues(filters, 'membership', ['accepted', 'pending']);
  const nodes = queries.list('node').filter((node) => matches(node, filters));
  const cluster = nodeView(request);
  return listOf(nodes, (node) => nodeToApi(node, cluster));
}

function matches(node: Node, filters: Filters): boolean {
  return (
    passes(filters, 'id', (id) => node.id.startsWith(id)) &&
    passes(filters, 'name', (name) => (node.description?.hostname ?? '').startsWith(name)) &&
    passes(filters, 'role', (role) => node.role === role) &&
    passes(filters, 'membership', (membership) => membership === 'accepted') &&
    passesLabels(filters, 'node.label', node.spec.Labels) &&
    passesLabels(filters, 'label', node.description?.engine.labels)
  );
}

function inspect(request: Request): Reply {
  const { queries } = manager(request).manager;
  return ok(nodeToApi(queries.find('node', request.params['id'] ?? ''), nodeView(request)));
}

async function update(request: Request): Promise<Reply> {
  const { manager: backend } = manager(request);
  const spec = parseNodeSpec(await request.json());
  await backend.submit(request.principal, 'node.update', {
    id: request.params['id'] ?? '',
    version: versionOf(request),
    spec,
  });
  return empty();
}

async function remove(request: Request): Promise<Reply> {
  const { manager: backend } = manager(request);
  await backend.submit(request.principal, 'node.remove', {
    id: request.params['id'] ?? '',
    force: flag(request, 'force'),
  });
  return empty();
}
