// Entry of raft's worker thread: the real ports, and the host behind the channel to the main thread.
// With a heap and an event loop of its own it goes on while the main thread is busy.
import { parentPort, workerData } from 'node:worker_threads';
import { fileDisk, systemClock, systemRandom } from '../../../platform/index.ts';
import { serveHost } from './host-service.ts';
import type { Channel, HostCommand, HostEvent, ThreadData } from './thread-protocol.ts';
import { TlsTransport } from '../wire/index.ts';

const port = parentPort;
if (port === null) throw new Error('raft-thread is started as a worker thread only');
const { options } = workerData as ThreadData;

const channel: Channel<HostEvent, HostCommand> = {
  post: (message, transfer = []) => port.postMessage(message, transfer),
  onMessage: (handler) => port.on('message', handler),
};

serveHost(
  options,
  {
    clock: systemClock,
    random: systemRandom,
    disk: fileDisk,
    transport: (logger) =>
      new TlsTransport({
        self: options.self,
        listenAddress: options.listenAddress,
        tls: options.tls,
        clock: systemClock,
        random: systemRandom,
        logger,
      }),
  },
  channel,
);
