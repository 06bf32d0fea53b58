// The port of connections between machines: typed messages in order until the connection ends.

/** One end of an ordered two-way stream of messages. */
export interface Connection<Out, In> {
  /** Queues a message; false says that the peer is slow and the caller should wait for `onDrain`. */
  send(message: Out): boolean;
  onMessage(handler: (message: In) => void): void;
  onDrain(handler: () => void): void;
  /** Called once, however the connection ended; `reason` is absent after a clean end. */
  onClose(handler: (reason?: Error) => void): void;
  /** `reason` reaches the other side where this one serves it. */
  close(reason?: Error): void;
}

/** Who is at the other end, from its certificate: never from what it says. */
export interface Peer {
  /** Certificate subject CN. */
  nodeId: string;
  /** Certificate subject OU. */
  role: 'manager' | 'worker';
  /** Certificate subject O. */
  clusterId: string;
}
