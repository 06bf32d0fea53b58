// Connections between managers over gRPC: to peers of earlier releases, and for snapshots.
import { Client } from '@grpc/grpc-js';
import {
  FRAME_BYTES_MAX,
  KEEPALIVE_TIMEOUT_MS,
  KEEPALIVE_TIME_MS,
  type Member,
} from '../contract/index.ts';
import { raftService } from './peer-service.ts';
import type { PeerStream, PeerStreamOptions } from './peer-stream.ts';
import type { TlsSource } from './peer-tls.ts';

/** Options of every such connection. */
export const channelOptions = {
  'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': FRAME_BYTES_MAX,
  'grpc.max_send_message_length': FRAME_BYTES_MAX,
  // Peers are known by address; what counts is the certificate's subject. TLS wants a name all the same.
  'grpc.ssl_target_name_override': 'swarm-manager',
  'grpc.default_authority': 'swarm-manager',
  // Each client its own connection: with the newest certificate, and not behind a snapshot.
  'grpc.use_local_subchannel_pool': 1,
};

/** A client of one peer with the newest certificate. */
export function grpcClient({ address, nodeId }: Member, tls: TlsSource): Client {
  return new Client(address, tls.clientCredentials(nodeId), channelOptions);
}

/** Begins a stream of messages. */
export function openGrpcStream({ peer, tls, events }: PeerStreamOptions): PeerStream {
  const client = grpcClient(peer, tls);
  const { path, requestSerialize, responseDeserialize } = raftService.messages;
  const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  let over = false;
  const end = (error?: Error): void => {
    if (over) return;
    over = true;
    client.close();
    events.ended(error);
  };
  stream.on('data', () => {
    if (!over) events.accepted();
  });
  stream.on('drain', () => {
    if (!over) events.drained();
  });
  stream.on('error', end);
  stream.on('end', () => end());
  return {
    write: (frame) => stream.write(frame),
    close: () => {
      over = true;
      stream.cancel();
      client.close();
    },
  };
}
