// Tells a machine without a daemon from one that is dead: what counts is that its kernel answers on a
// port, not what. Used by the leader before it declares a node down.
import { connect } from 'node:net';

/** What a living machine says to a connection that nobody takes. */
const REFUSED = 'ECONNREFUSED';

/**
 * True when the machine at `host:port` takes or refuses a connection within `limitMs`; false when it
 * is silent, or no way leads there. Never rejects.
 */
export function probeMachine(address: string, limitMs: number): Promise<boolean> {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|(.+)):(\d+)$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    const end = (answers: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answers);
    };
    const timer = setTimeout(() => end(false), limitMs);
    socket.on('connect', () => end(true));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code === REFUSED));
  });
}
