// The wire between machines: methods of .proto files with their codecs, who may call one, and what a
// caller of each kind may send.
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import type { Peer } from '../../base/index.ts';
import { encodingItemsOnce } from './encoded-once.ts';

/** `anyone` needs no certificate; the others a valid one of this cluster, with that role. */
export type Access = 'anyone' | 'node' | 'manager';

const SESSION = '/tsswarm.v1.Dispatcher/Session';

/** Largest message either way: a snapshot of assignments of a full node fits, a flood does not. */
export const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/** Kinds of callers, as their connection shows them. */
export type CallerKind = 'stranger' | 'worker' | 'manager';

/**
 * What a caller of each kind may send in one message, and run at once over one connection. A worker's
 * largest message is a part of its tasks' statuses, a manager's a call that it hands on.
 */
export const CALLER_LIMITS: Readonly<
  Record<CallerKind, { readonly messageBytes: number; readonly streams: number }>
> = {
  stranger: { messageBytes: 64 * 1024, streams: 4 },
  worker: { messageBytes: 4 * 1024 * 1024, streams: 128 },
  manager: { messageBytes: MESSAGE_BYTES_MAX, streams: 4_096 },
};

export type WireMethod = MethodDefinition<object, object>;

/** All methods of these .proto files below `directory`, by path. */
export function loadMethods(
  directory: string,
  files: readonly string[],
): ReadonlyMap<string, WireMethod> {
  const definition = loadSync([...files], {
    includeDirs: [directory],
    keepCase: false,
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
    arrays: true,
  });
  const methods = new Map<string, WireMethod>();
  for (const service of Object.values(definition)) {
    if ('format' in service) continue;
    for (const method of Object.values(service)) {
      if (typeof method === 'object' && 'path' in method)
        methods.set(method.path, method as WireMethod);
    }
  }
  const session = methods.get(SESSION);
  if (session !== undefined) {
    const responseSerialize = encodingItemsOnce(session.responseSerialize);
    methods.set(SESSION, { ...session, responseSerialize });
  }
  return methods;
}

/** Whether `peer` (undefined: no valid certificate) may call; the reason when not. */
export function refusal(
  access: Access | undefined,
  peer: Peer | undefined,
  clusterId: string,
): string | undefined {
  if (access === undefined) return 'this method is not served';
  if (access === 'anyone') return undefined;
  if (peer === undefined) return 'a certificate of this cluster is required';
  if (peer.clusterId !== clusterId)
    return `the certificate of node ${peer.nodeId} is of another cluster`;
  if (access === 'manager' && peer.role !== 'manager')
    return `node ${peer.nodeId} is not a manager`;
  return undefined;
}
