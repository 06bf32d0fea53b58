// One manager's Raft in a process of its own, for bench/raft.ts: as the daemon runs it (thread, files,
// fsync, mTLS), with a socket for proposals in front. Told everything over IPC.
import { createServer, type Socket } from 'node:net';
import {
  startConsensus,
  type Consensus,
  type ConsensusHandler,
  type ConsensusOptions,
  type Member,
} from '../src/manager/raft/index.ts';
import { silentLogger } from '../src/base/index.ts';

/** What a member is started with. */
export interface MemberStart {
  readonly options: Omit<ConsensusOptions, 'dataKey'>;
  readonly threadScript: string;
}

/** What the bench asks of a member. */
export type MemberOrder =
  | { readonly kind: 'start'; readonly start: MemberStart }
  | { readonly kind: 'add'; readonly member: Member }
  | { readonly kind: 'stop' };

/** What a member tells the bench. */
export type MemberNews =
  | { readonly kind: 'started'; readonly port: number }
  | {
      readonly kind: 'status';
      readonly isLeader: boolean;
      readonly voters: readonly number[];
      readonly members: readonly Member[];
    }
  | { readonly kind: 'failed'; readonly error: string };

/** A proposal on the socket: four bytes that name it, and the payload. The answer: the four bytes. */
export const ID_BYTES = 4;
export const PAYLOAD_BYTES = 256;

const tell = (news: MemberNews): void => {
  process.send?.(news);
};

const handler: ConsensusHandler = {
  apply() {},
  async *snapshot() {
    yield new Uint8Array(1);
  },
  async restore(_index, chunks) {
    for await (const chunk of chunks) void chunk;
  },
  statusChanged: ({ isLeader, voters, members }) =>
    tell({ kind: 'status', isLeader, voters, members }),
  failed: (error) => tell({ kind: 'failed', error: error.message }),
};

function serve(consensus: Consensus, socket: Socket): void {
  socket.setNoDelay(true);
  const size = ID_BYTES + PAYLOAD_BYTES;
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
    for (; rest.length >= size; rest = rest.subarray(size)) {
      const id = rest.subarray(0, ID_BYTES);
      consensus.propose(rest.subarray(ID_BYTES, size)).then(
        () => socket.write(id),
        (error: unknown) => tell({ kind: 'failed', error: String(error) }),
      );
    }
  });
}

let running: Consensus | undefined;

async function start({ options, threadScript }: MemberStart): Promise<void> {
  const consensus = await startConsensus({ ...options, dataKey: new Uint8Array(32) }, handler, {
    threadScript,
    logger: silentLogger,
  });
  running = consensus;
  const server = createServer((socket) => serve(consensus, socket));
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    tell({ kind: 'started', port: typeof address === 'object' ? (address?.port ?? 0) : 0 });
    handler.statusChanged(consensus.status);
  });
}

process.on('message', (order: MemberOrder) => {
  const failed = (error: unknown): void => tell({ kind: 'failed', error: String(error) });
  if (order.kind === 'start') start(order.start).catch(failed);
  else if (order.kind === 'add') running?.addMember(order.member).catch(failed);
  else process.exit(0);
});
