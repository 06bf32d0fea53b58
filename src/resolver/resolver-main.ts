// The resolver process of one host: answers the tasks' questions inside their namespaces. It holds
// its sockets and its table on its own, so that names work while the daemon is down or replaced.
// Started by src/resolver/resolver-process.ts with one JSON argument.
import { randomInt } from 'node:crypto';
import { readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { ifPresent, isAbsent } from '../base/index.ts';
// Not through the folder's index: it would load the whole platform into this small process.
import { loadNative, onLines } from '../platform/system/index.ts';
import { Forwarder, RCODE, encodeAnswer, lookUp, parseQuestion } from './dns/index.ts';
import { SocketTable } from './task-sockets.ts';
import {
  EMPTY_TABLE,
  MAX_LINE_BYTES,
  applyRequest,
  parseConfig,
  parseRequest,
  parseTable,
  type AnswerTable,
  type ResolverReply,
} from './protocol/index.ts';

/** Orders of several addresses that are kept ready, one after the other. */
const VARIANTS = 8;
/** Changes of the table are gathered this long before they are written. */
const SAVE_AFTER_MS = 2_000;

const config = parseConfig(process.argv[2]);
const forwarder = new Forwarder(config.resolvConf);
const sockets = new SocketTable(loadNative(config.addon), { answer, forward });
let table: AnswerTable = EMPTY_TABLE;
let saveTimer: NodeJS.Timeout | undefined;
let work: Promise<void> = Promise.resolve();

function answer(taskId: string, message: Buffer, udp: boolean): Buffer[] | 'forward' | undefined {
  const task = table.tasks[taskId];
  const question = parseQuestion(message);
  if (task === undefined || question === undefined) return undefined;
  const made: Buffer[] = [];
  for (let several = true; several && made.length < VARIANTS;) {
    const found = lookUp(table, task, question, (bound) => randomInt(bound));
    if (found.kind === 'forward') return 'forward';
    made.push(bufferOf(encodeAnswer(question, found.answer, udp)));
    const { addresses = [], services = [] } = found.answer;
    several = udp && addresses.length + services.length > 1;
  }
  return made;
}

async function forward(taskId: string, message: Buffer, udp: boolean): Promise<Buffer> {
  const reply = await forwarder.ask(message, udp, table.tasks[taskId]?.servers);
  if (reply instanceof Buffer) return reply;
  const rcode = reply === null ? RCODE.noName : RCODE.serverFailure;
  const question = parseQuestion(message);
  return question === undefined ? message : bufferOf(encodeAnswer(question, { rcode }, udp));
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function serve(connection: Socket): void {
  connection.on('error', () => connection.destroy());
  let underWay = 0;
  onLines(connection, MAX_LINE_BYTES, (line) => {
    const request = parseRequest(line);
    // No more is read than is done, and answered to a daemon that reads.
    underWay++;
    connection.pause();
    // In order, and each only when the sockets of the one before are open.
    work = work.then(async () => {
      table = applyRequest(table, request);
      sockets.namesChanged();
      saveTimer ??= setTimeout(save, SAVE_AFTER_MS);
      const failures = await sockets.bring(table.tasks);
      const reply: ResolverReply = { seq: request.seq, failures };
      // Not waited for here: another daemon's requests go on.
      void answered(connection, reply).then(() => {
        if (--underWay === 0) connection.resume();
      });
    });
  });
}

/** Until the daemon has read it, or is gone. */
function answered(connection: Socket, reply: ResolverReply): Promise<void> {
  return new Promise((resolve) => {
    connection.once('close', resolve);
    const written = (): void => {
      connection.off('close', resolve);
      resolve();
    };
    if (connection.writable) connection.write(`${JSON.stringify(reply)}\n`, written);
    else written();
  });
}

function save(): void {
  saveTimer = undefined;
  const file = `${config.table}.new`;
  void writeFile(file, JSON.stringify(table), { mode: 0o600 })
    .then(() => rename(file, config.table))
    .catch(() => {
      // A full disk, perhaps: later it may not be.
      saveTimer ??= setTimeout(save, SAVE_AFTER_MS);
    });
}

async function load(): Promise<AnswerTable> {
  try {
    return parseTable(await readFile(config.table, 'utf8'));
  } catch {
    // None yet, or damaged: names are better served late than not at all, and the daemon sends the whole table when it connects.
    return EMPTY_TABLE;
  }
}

/** True when another resolver answers at the socket. */
function isTaken(): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createConnection(config.socket);
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', (error) => {
      if (isAbsent(error, 'ECONNREFUSED')) resolve(false);
      else reject(error);
    });
  });
}

if (await isTaken()) process.exit(0);
await ifPresent(unlink(config.socket));
table = await load();
await sockets.bring(table.tasks);
await writeFile(config.pid, `${process.pid}\n`, { mode: 0o600 });
createServer(serve).listen(config.socket);
// The daemon's terminal or session may end; the tasks go on.
process.on('SIGHUP', () => undefined);
