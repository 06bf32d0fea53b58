// Tunnels: bytes both ways between a manager and any node, on which exec, attach, copies and logs of
// other nodes run. The first frame says where it leads; the node's handler of that kind does the rest.
import {
  SwarmError,
  count,
  decoder,
  messageOf,
  optional,
  record,
  text,
  unknown,
} from '../../base/index.ts';
import type { NodeClients, NodeTarget } from './node-clients.ts';
import type { NodeService } from './node-service.ts';
import {
  TunnelEnd,
  WINDOW_BYTES,
  type FrameConnection,
  type Tunnel,
  type TunnelHandlers,
  type TunnelFrame,
} from './tunnel-end.ts';

const OPEN = '/tsswarm.v1.Tunnel/Open';
/** Bytes of what a target asks for. */
const REQUEST_BYTES_MAX = 64 * 1024;

const decodeFrame = decoder(
  record({
    target: optional(record({ kind: text(64), request: text(REQUEST_BYTES_MAX) })),
    data: optional(unknown()),
    end: optional(unknown()),
    taken: optional(count(WINDOW_BYTES)),
  }),
  'frame of a tunnel',
);

export const tunnelService: NodeService = {
  proto: 'tunnel.proto',
  access: { [OPEN]: 'manager' },

  serve(server, node) {
    server.duplex<TunnelFrame, TunnelFrame>(OPEN, (connection) =>
      serveTunnel(connection, node.tunnels),
    );
  },
};

/** Opens a tunnel to a node; what its handler refuses breaks it with that reason. */
export function openTunnel(
  clients: NodeClients,
  node: NodeTarget,
  kind: string,
  request: object,
): Tunnel {
  const connection = clients.of(node).duplex<TunnelFrame, TunnelFrame>(OPEN);
  const tunnel = new TunnelEnd(connection, false);
  connection.onMessage((raw) => guarded(tunnel, () => tunnel.take(frameOf(raw))));
  connection.send({ target: { kind, request: JSON.stringify(request) } });
  return tunnel;
}

/** The serving side of a connection that a manager has opened. */
export function serveTunnel(connection: FrameConnection, handlers: TunnelHandlers): void {
  const tunnel = new TunnelEnd(connection, true);
  let isOpen = false;
  connection.onMessage((raw) => {
    guarded(tunnel, () => {
      const { target, ...frame } = frameOf(raw);
      if (isOpen) return tunnel.take(frame);
      isOpen = true;
      const { kind = '', request = '' } = target ?? {};
      const handler = Object.hasOwn(handlers, kind) ? handlers[kind] : undefined;
      if (handler === undefined) {
        throw new SwarmError('unimplemented', `no tunnel leads to ${JSON.stringify(kind)} here`);
      }
      handler(request, tunnel).then(
        () => tunnel.end(),
        (error: unknown) => tunnel.close(asError(error)),
      );
    });
  });
}

/** What the wire gives has the fields of the other kinds of frames, too, empty. */
function frameOf(raw: object): TunnelFrame {
  const { data, end, ...frame } = decodeFrame({ ...raw });
  return {
    ...frame,
    ...(data instanceof Uint8Array && data.length > 0 ? { data } : {}),
    ...(typeof end === 'object' && end !== null ? { end } : {}),
  };
}

function guarded(tunnel: Tunnel, act: () => void): void {
  try {
    act();
  } catch (error) {
    tunnel.close(asError(error));
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
