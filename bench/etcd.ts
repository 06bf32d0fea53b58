// The peer of bench/raft.ts: three members of Debian's etcd on loopback, and the leanest client that
// Node can be: one HTTP/2 connection, requests encoded by hand.
import { spawn, type ChildProcess } from 'node:child_process';
import { connect, type ClientHttp2Session } from 'node:http2';

const READY_LIMIT_MS = 20_000;

/** Three running members. */
export class EtcdGroup {
  readonly #processes: readonly ChildProcess[];
  readonly #session: ClientHttp2Session;

  private constructor(processes: readonly ChildProcess[], session: ClientHttp2Session) {
    this.#processes = processes;
    this.#session = session;
  }

  /** `ports`: a client's and a peer's for each of the three. */
  static async start(directory: string, ports: readonly number[]): Promise<EtcdGroup> {
    const members = [0, 1, 2].map((i) => ({
      name: `e${i}`,
      client: `http://127.0.0.1:${ports[2 * i] ?? 0}`,
      peer: `http://127.0.0.1:${ports[2 * i + 1] ?? 0}`,
    }));
    const all = members.map(({ name, peer }) => `${name}=${peer}`).join();
    const processes = members.map(({ name, client, peer }) => {
      const options = {
        name,
        'data-dir': `${directory}/${name}`,
        'listen-client-urls': client,
        'advertise-client-urls': client,
        'listen-peer-urls': peer,
        'initial-advertise-peer-urls': peer,
        'initial-cluster': all,
        logger: 'zap',
        'log-level': 'error',
      };
      const args = Object.entries(options).map(([key, value]) => `--${key}=${value}`);
      return spawn('etcd', args, { stdio: 'ignore' });
    });
    const session = await leaderSession(members.map(({ client }) => client));
    return new EtcdGroup(processes, session);
  }

  /** Puts 256 bytes under one of a thousand keys; resolves when it is committed. */
  put(number: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': '/etcdserverpb.KV/Put',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', reject);
      stream.on('trailers', (trailers) => {
        if (trailers['grpc-status'] === '0') resolve();
        else reject(new Error(`etcd: ${String(trailers['grpc-message'])}`));
      });
      stream.resume();
      stream.end(putRequest(number));
    });
  }

  stop(): void {
    this.#session.destroy();
    for (const process of this.#processes) process.kill('SIGKILL');
  }
}

/** A framed PutRequest { key = 1, value = 2 }. */
function putRequest(number: number): Buffer {
  const key = Buffer.from(String(number % 1000).padStart(4, '0'));
  const value = Buffer.alloc(256, 'x');
  const message = Buffer.concat([
    Buffer.from([0x0a, key.length]),
    key,
    // 256 as a varint.
    Buffer.from([0x12, 0x80, 0x02]),
    value,
  ]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** A connection to the member that leads: as the other side, clients talk to the leader. */
async function leaderSession(urls: readonly string[]): Promise<ClientHttp2Session> {
  const deadline = Date.now() + READY_LIMIT_MS;
  for (;;) {
    for (const url of urls) {
      if (!(await leads(url))) continue;
      const session = connect(url);
      session.on('error', () => {});
      return session;
    }
    if (Date.now() > deadline) throw new Error('etcd did not elect a leader');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function leads(url: string): Promise<boolean> {
  try {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    return /^etcd_server_is_leader 1$/m.test(metrics);
  } catch {
    return false;
  }
}
