// Ordered two-way streams between simulated processes: the Connection port. A stream keeps its order
// and ends as a whole; over a cut link it first waits and is given up later, so that what was sent
// before a partition may still arrive after it.
import { SwarmError, type Connection } from '../../../src/base/index.ts';
import type { SimulatedWires } from './network.ts';
import type { SimulatedProcess } from './process.ts';

/** Where an end is, and in which process. */
export interface Endpoint {
  readonly host: string;
  readonly process: SimulatedProcess;
}

/** Between two looks at a cut link. */
const STALL_POLL_MS = 100;
/** A stream that could not be carried on for this long is given up (keepalive), and up to as much more. */
const GIVE_UP_MS = 3_000;

type Item = { readonly message: unknown } | { readonly end: true };

/** One direction. */
class Lane {
  readonly #wires: SimulatedWires;
  readonly #from: string;
  readonly #to: string;
  readonly #deliver: (item: Item) => void;
  readonly #giveUp: () => void;
  readonly #queue: { at: number; item: Item }[] = [];
  #lastAt = 0;
  #stalledSince: number | undefined;
  #limitMs: number;
  #pumping = false;
  open = true;

  constructor(
    wires: SimulatedWires,
    from: string,
    to: string,
    deliver: (item: Item) => void,
    giveUp: () => void,
  ) {
    this.#wires = wires;
    this.#from = from;
    this.#to = to;
    this.#deliver = deliver;
    this.#giveUp = giveUp;
    this.#limitMs = GIVE_UP_MS + wires.random.below(GIVE_UP_MS);
  }

  push(item: Item): void {
    const now = this.#wires.clock.monotonicMs();
    this.#lastAt = Math.max(this.#lastAt, now + this.#wires.delayMs(this.#from, this.#to));
    this.#queue.push({ at: this.#lastAt, item });
    this.#pump();
  }

  #pump(): void {
    const head = this.#queue[0];
    if (this.#pumping || head === undefined) return;
    this.#pumping = true;
    const { clock } = this.#wires;
    clock.after(Math.max(0, head.at - clock.monotonicMs()), () => this.#look());
  }

  #look(): void {
    const { clock } = this.#wires;
    if (!this.open) return;
    if (this.#wires.isCut(this.#from, this.#to)) {
      this.#stalledSince ??= clock.monotonicMs();
      if (clock.monotonicMs() - this.#stalledSince > this.#limitMs) this.#giveUp();
      else clock.after(STALL_POLL_MS, () => this.#look());
      return;
    }
    this.#stalledSince = undefined;
    this.#pumping = false;
    const head = this.#queue.shift();
    if (head !== undefined) this.#deliver(head.item);
    this.#pump();
  }
}

class End {
  readonly endpoint: Endpoint;
  #messages: ((message: unknown) => void) | undefined;
  readonly #closes: ((reason?: Error) => void)[] = [];
  #early: unknown[] = [];
  #closed = false;
  #reason: Error | undefined;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  get closed(): boolean {
    return this.#closed;
  }

  deliver(message: unknown): void {
    if (this.#closed) return;
    if (this.#messages === undefined) this.#early.push(message);
    else this.#messages(message);
  }

  finish(reason?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reason = reason;
    for (const tell of this.#closes) tell(reason);
  }

  listen(handler: (message: unknown) => void): void {
    this.#messages = handler;
    const early = this.#early;
    this.#early = [];
    for (const message of early) handler(message);
  }

  onClose(handler: (reason?: Error) => void): void {
    if (this.#closed) handler(this.#reason);
    else this.#closes.push(handler);
  }
}

/** Two ends and the two lanes between them. */
export class SimulatedStream {
  readonly #wires: SimulatedWires;
  readonly #client: End;
  readonly #server: End;
  readonly #toServer: Lane;
  readonly #toClient: Lane;
  readonly #forget: readonly (() => void)[];
  #over = false;

  constructor(wires: SimulatedWires, client: Endpoint, server: Endpoint) {
    this.#wires = wires;
    this.#client = new End(client);
    this.#server = new End(server);
    const giveUp = (): void => this.break('the connection was given up');
    this.#toServer = new Lane(wires, client.host, server.host, this.#taker(this.#server), giveUp);
    this.#toClient = new Lane(wires, server.host, client.host, this.#taker(this.#client), giveUp);
    this.#forget = [
      client.process.onKilled(() => this.#killed(this.#client, this.#server)),
      server.process.onKilled(() => this.#killed(this.#server, this.#client)),
    ];
  }

  get over(): boolean {
    return this.#over;
  }

  /** Where the connection comes from. */
  get clientHost(): string {
    return this.#client.endpoint.host;
  }

  joins(host: string): boolean {
    return this.#client.endpoint.host === host || this.#server.endpoint.host === host;
  }

  clientEnd<Out, In>(): Connection<Out, In> {
    return this.#connection(this.#client, this.#toServer);
  }

  serverEnd<Out, In>(): Connection<Out, In> {
    return this.#connection(this.#server, this.#toClient);
  }

  /** In mid-stream: what is on its way is lost, and both ends hear of it. */
  break(reason: string): void {
    if (this.#over) return;
    this.#end();
    for (const end of [this.#client, this.#server]) {
      const error = new SwarmError('unavailable', reason);
      this.#wires.clock.after(0, () => end.endpoint.process.enter(() => end.finish(error)));
    }
  }

  #connection<Out, In>(end: End, lane: Lane): Connection<Out, In> {
    return {
      send: (message) => {
        if (end.closed || !end.endpoint.process.alive) return false;
        lane.push({ message });
        return true;
      },
      onMessage: (handler) => end.listen((message) => handler(message as In)),
      onDrain: () => {},
      onClose: (handler) => end.onClose(handler),
      close: (reason) => {
        if (end.closed) return;
        if (end.endpoint.process.alive) lane.push({ end: true });
        end.finish(reason);
      },
    };
  }

  #taker(end: End): (item: Item) => void {
    return (item) =>
      end.endpoint.process.enter(() => {
        if ('message' in item) return end.deliver(item.message);
        end.finish();
        this.#end();
      });
  }

  /** The machine's kernel tells the other side, if the link lets it. */
  #killed(dead: End, other: End): void {
    if (this.#over) return;
    this.#wires.carry(dead.endpoint.host, other.endpoint.host, () =>
      this.break('the other process is gone'),
    );
  }

  #end(): void {
    this.#over = true;
    for (const forget of this.#forget) forget();
    this.#toServer.open = false;
    this.#toClient.open = false;
  }
}
