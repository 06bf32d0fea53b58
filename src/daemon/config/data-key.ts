// The key that seals a manager's log and snapshots; beside them, mode 0600. What keeps a stolen disk
// from telling secrets is its owner's encryption; this key keeps them out of copies of the log alone.
import { randomBytes } from 'node:crypto';
import { SwarmError, type Disk } from '../../base/index.ts';
import { fileDisk } from '../../platform/index.ts';

const KEY_BYTES = 32;
const NAME = 'key';

/**
 * The key in this Raft directory; made, durably, when there is neither a key nor a log. A key that
 * can't be read is an error: a new one in its place would make the log unreadable for good.
 */
export async function loadDataKey(directory: string, disk: Disk = fileDisk): Promise<Uint8Array> {
  const path = `${directory}/${NAME}`;
  const stored = await disk.readFile(path);
  if (stored !== undefined) {
    if (stored.length === KEY_BYTES) return stored;
    throw new SwarmError(
      'dataLoss',
      `${path} has ${stored.length} bytes, a key has ${KEY_BYTES}: bring it back from a copy of this disk, or let this node leave and join anew`,
    );
  }
  await disk.makeDirectory(directory);
  // Drafts of a write that a crash cut short are no log.
  const others = (await disk.list(directory)).filter((name) => !name.endsWith('.tmp'));
  if (others.length > 0) {
    throw new SwarmError(
      'dataLoss',
      `${path} is missing, and ${directory} holds a log that nothing else opens: bring the key back, or let this node leave and join anew`,
    );
  }
  const key = randomBytes(KEY_BYTES);
  await disk.writeFileAtomic(path, key, 0o600);
  return key;
}
