// A program inside one network namespace of overlay.test.ts: a task or an outside client. It does
// what it is told, one JSON command a line, and answers each with one line.
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { decode, encode } from 'dns-packet';

type Command = { readonly id: number } & (
  | { readonly call: 'serve'; readonly port: number; readonly name: string }
  | {
      readonly call: 'ask' | 'askUdp' | 'hold';
      readonly address: string;
      readonly port: number;
      readonly localPort?: number;
      readonly localAddress?: string;
    }
  | { readonly call: 'say' | 'release'; readonly connection: number }
  | {
      readonly call: 'send';
      readonly address: string;
      readonly port: number;
      readonly localAddress?: string;
      /** Base64. */
      readonly data: string;
    }
  | { readonly call: 'heard' }
  /** Packets of random bytes. */
  | {
      readonly call: 'noise';
      readonly address: string;
      readonly port: number;
      readonly count: number;
    }
  /** A name server that gives one address for every name. */
  | { readonly call: 'serveNames'; readonly address: string; readonly answer: string }
  | {
      readonly call: 'lookUp';
      readonly name: string;
      readonly type: 'A' | 'AAAA' | 'PTR' | 'SRV';
      readonly server?: string;
    }
);

const TIMEOUT_MS = 3_000;
const held = new Map<number, Socket>();
/** How held connections ended. */
const ended = new Map<number, string>();
const heard: string[] = [];

function serve(port: number, name: string): Promise<void> {
  // Of both families.
  const udp = createSocket('udp6');
  udp.on('message', (message, from) => {
    heard.push(message.toString());
    udp.send(`${name} sees ${shown(from.address)}`, from.port, from.address);
  });
  const tcp = createServer((connection) => {
    connection.on('error', () => connection.destroy());
    connection.write(`${name} sees ${shown(connection.remoteAddress)}\n`);
    connection.on('data', (data) => connection.write(data));
  });
  return new Promise((resolve, reject) => {
    udp.on('error', reject);
    tcp.on('error', reject);
    udp.bind(port, () => tcp.listen(port, '::', resolve));
  });
}

/** An IPv4 address as it is known. */
function shown(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/u, '');
}

function serveNames(address: string, answer: string): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const query = decode(message);
    const reply = encode({
      type: 'response',
      id: query.id ?? 0,
      questions: query.questions ?? [],
      answers: (query.questions ?? []).map(({ name }) => ({ type: 'A', name, data: answer })),
    });
    socket.send(reply, from.port, from.address);
  });
  return new Promise((resolve) => {
    socket.bind(53, address, resolve);
  });
}

/** One line from a connection; fails after a while. */
function line(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(new Error('timeout')), TIMEOUT_MS);
    const onData = (data: Buffer): void => end(data.toString().trim());
    const onError = (error: Error): void => end(error);
    const onClose = (): void => end(new Error('closed'));
    function end(result: string | Error): void {
      clearTimeout(timer);
      socket.off('data', onData).off('error', onError).off('close', onClose);
      if (result instanceof Error) reject(result);
      else resolve(result);
    }
    socket.on('data', onData).on('error', onError).on('close', onClose);
  });
}

function connect(command: Extract<Command, { call: 'ask' | 'askUdp' | 'hold' }>): Socket {
  const { address: host, port, localPort, localAddress } = command;
  const socket = createConnection({
    host,
    port,
    ...(localPort === undefined ? {} : { localPort }),
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  socket.on('error', () => socket.destroy());
  return socket;
}

async function ask(
  command: Extract<Command, { call: 'ask' | 'askUdp' | 'hold' }>,
): Promise<string> {
  const socket = connect(command);
  try {
    return await line(socket);
  } finally {
    // A reset instead of TIME_WAIT: tests use local ports again.
    socket.resetAndDestroy();
  }
}

async function hold(
  command: Extract<Command, { call: 'ask' | 'askUdp' | 'hold' }>,
): Promise<string> {
  const socket = connect(command);
  const greeting = await line(socket);
  held.set(command.id, socket);
  socket.on('error', ({ code = 'ERROR' }: NodeJS.ErrnoException) => ended.set(command.id, code));
  return greeting;
}

async function say(connection: number): Promise<string> {
  const socket = held.get(connection);
  if (socket === undefined) throw new Error('no such connection');
  // It may have been reset before anything was said.
  const code = ended.get(connection);
  if (code !== undefined) throw new Error(code);
  const answer = line(socket);
  socket.write('still here\n');
  return answer;
}

/** Ends a held connection with a reset, so that its local port can be used again. */
function release(connection: number): Promise<void> {
  held.get(connection)?.resetAndDestroy();
  held.delete(connection);
  return Promise.resolve();
}

function udp(
  {
    address,
    port,
    localPort = 0,
    localAddress,
  }: { address: string; port: number; localPort?: number; localAddress?: string },
  data: Buffer,
  answer: boolean,
): Promise<string> {
  return new Promise((resolve, reject) => {
    // Sockets with one local port are told apart by whom they are connected to.
    const type = address.includes(':') ? 'udp6' : 'udp4';
    const socket = createSocket({ type, reuseAddr: localPort !== 0 });
    const end = (result: string | Error): void => {
      clearTimeout(timer);
      socket.close();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    const timer = setTimeout(() => end(new Error('timeout')), TIMEOUT_MS);
    socket.on('error', end);
    socket.on('message', (message) => end(message.toString()));
    socket.bind(
      {
        port: localPort,
        exclusive: false,
        ...(localAddress === undefined ? {} : { address: localAddress }),
      },
      () =>
        socket.connect(port, address, () =>
          socket.send(data, () => {
            if (!answer) end('sent');
          }),
        ),
    );
  });
}

/** A few at a time, so that the receiver's buffer takes them all. */
async function noise(address: string, port: number, count: number): Promise<void> {
  const socket = createSocket('udp4');
  for (let sent = 0; sent < count; sent += 50) {
    await Promise.all(
      Array.from({ length: 50 }, () => {
        const packet = randomBytes(1 + (randomBytes(2).readUInt16BE(0) % 200));
        return new Promise<void>((resolve) => {
          socket.send(packet, port, address, () => resolve());
        });
      }),
    );
  }
  socket.close();
}

async function lookUp(name: string, type: string, server: string): Promise<unknown> {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });
  resolver.setServers([server]);
  return resolver.resolve(name, type);
}

function run(command: Command): Promise<unknown> {
  switch (command.call) {
    case 'serve':
      return serve(command.port, command.name);
    case 'ask':
      return ask(command);
    case 'askUdp':
      return udp(command, Buffer.from('hello'), true);
    case 'hold':
      return hold(command);
    case 'say':
      return say(command.connection);
    case 'release':
      return release(command.connection);
    case 'send':
      return udp(command, Buffer.from(command.data, 'base64'), false);
    case 'serveNames':
      return serveNames(command.address, command.answer);
    case 'noise':
      return noise(command.address, command.port, command.count);
    case 'heard':
      return Promise.resolve(heard);
    case 'lookUp':
      return lookUp(command.name, command.type, command.server ?? '127.0.0.11');
  }
}

console.log(JSON.stringify({ ready: true }));
for await (const text of createInterface({ input: process.stdin })) {
  const command = JSON.parse(text) as Command;
  void run(command).then(
    (value) => console.log(JSON.stringify({ id: command.id, value })),
    (error: NodeJS.ErrnoException) =>
      console.log(JSON.stringify({ id: command.id, error: error.code ?? error.message })),
  );
}
process.exit(0);
