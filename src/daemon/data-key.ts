// The key that seals a manager's log and snapshots; beside them, mode 0600. What keeps a stolen disk
// from telling secrets is its owner's encryption; this key keeps them out of copies of the log alone.
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';

const KEY_BYTES = 32;

/** The key in this Raft directory; made when there is none. */
export async function loadDataKey(directory: string): Promise<Uint8Array> {
  const path = `${directory}/key`;
  try {
    return await readFile(path);
  } catch {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const key = randomBytes(KEY_BYTES);
    await writeFile(path, key, { mode: 0o600, flush: true });
    return key;
  }
}
