// `tsswarm cluster …`: the managers' state as a file, and a cluster out of such a file.
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import type { Context } from '../client/index.ts';
import { stringFlag, type Flags } from '../notation/index.ts';

const KEY_BYTES = 32;
const KEY_PREFIX = 'TSBKEY-1-';
const KEY_HEADER = 'X-Tsswarm-Backup-Key';

export function clusterCommands(parent: Command, context: () => Context): void {
  const cluster = parent.command('cluster').description('Back up and restore a cluster');
  cluster
    .command('backup')
    .description("Write the managers' state to an encrypted file")
    .argument('<FILE>')
    .option('--key-file <file>', 'File with the key to encrypt with (default: a new key is shown)')
    .action((file: string, flags: Flags) => backup(context(), file, flags));
  cluster
    .command('restore')
    .description('Make this node the first manager of the cluster in a backup')
    .argument('<FILE>')
    .requiredOption('--key-file <file>', 'File with the key of the backup')
    .option('--advertise-addr <string>', 'Advertised address (format: "<ip|interface>[:port]")')
    .option('--data-path-addr <string>', 'Address or interface to use for data path traffic')
    .option('--listen-addr <node-addr>', 'Listen address', '0.0.0.0:2377')
    .action((file: string, flags: Flags) => restore(context(), file, flags));
}

async function backup(context: Context, file: string, flags: Flags): Promise<void> {
  const keyFile = stringFlag(flags, 'keyFile');
  const key = keyFile === undefined ? newKey() : await readKey(keyFile);
  const draft = `${file}.part`;
  try {
    const stream = await context.api.stream('GET', '/tsswarm/v1/cluster/backup', {
      headers: { [KEY_HEADER]: key },
    });
    // Under its own name it is always whole.
    await pipeline(stream, createWriteStream(draft, { mode: 0o600, flush: true }));
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  const { size } = await stat(file);
  context.print(`Wrote ${size} bytes to ${file}.\n`);
  if (keyFile !== undefined) return;
  context.print(
    'To restore it, put this key into a file. Without it nobody can read the backup:\n\n',
  );
  context.print(`    ${key}\n`);
}

async function restore(context: Context, file: string, flags: Flags): Promise<void> {
  const key = await readKey(stringFlag(flags, 'keyFile') ?? '');
  const { size } = await stat(file);
  const { NodeID: id } = await context.api.post<{ NodeID: string }>('/tsswarm/v1/cluster/restore', {
    query: {
      listenAddr: stringFlag(flags, 'listenAddr'),
      advertiseAddr: stringFlag(flags, 'advertiseAddr'),
      dataPathAddr: stringFlag(flags, 'dataPathAddr'),
    },
    headers: { [KEY_HEADER]: key, 'Content-Length': String(size) },
    stream: createReadStream(file),
  });
  context.print(`Cluster restored: this node (${id}) is now its only manager.\n`);
  context.print(
    'The other nodes have to leave and join again: it is this node’s address they need.\n',
  );
}

const newKey = (): string => `${KEY_PREFIX}${randomBytes(KEY_BYTES).toString('base64url')}`;

async function readKey(path: string): Promise<string> {
  const key = (await readFile(path, 'utf8')).trim();
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new Error(
    `${path} holds no backup key: it must be one line that begins with ${KEY_PREFIX}`,
  );
}
