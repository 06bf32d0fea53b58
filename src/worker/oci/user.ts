// The user of a container's process: "name", "uid", "name:group", "uid:gid", looked up in the
// image's own /etc/passwd and /etc/group. Pure.
import { SwarmError } from '../../base/index.ts';
import type { OciUser } from './oci-types.ts';

const MAX_ID = 2 ** 31 - 1;
/** NGROUPS_MAX of Linux. */
const MAX_GROUPS = 65_536;

/**
 * The ids of `user` and of the further `groups`. A number that the files don't know is taken as it
 * is; an unknown name throws `invalid` with Docker's wording. Empty means root.
 */
export function resolveUser(
  user: string,
  groups: readonly string[],
  passwd: string,
  group: string,
): OciUser {
  const [userPart = '', groupPart = ''] = user.split(':');
  const users = parseLines(passwd);
  const known = parseLines(group);
  const wanted = userPart === '' ? '0' : userPart;
  const entry =
    users.find(([name]) => name === wanted) ??
    (isNumber(wanted)
      ? users.find(([, , uid]) => isNumber(uid) && Number(uid) === Number(wanted))
      : undefined);
  if (entry === undefined && !isNumber(wanted)) {
    throw new SwarmError(
      'invalid',
      `unable to find user ${userPart}: no matching entries in passwd file`,
    );
  }
  const groupIds = new Map<string, string>();
  for (const [name = '', , id = ''] of known) if (!groupIds.has(name)) groupIds.set(name, id);
  const uid = checked(entry?.[2] ?? wanted, `user ${wanted}`);
  const gid =
    groupPart === ''
      ? checked(entry?.[3] ?? '0', `group of user ${wanted}`)
      : groupId(groupPart, groupIds);
  const name = entry?.[0];
  const memberships =
    name === undefined || groupPart !== ''
      ? []
      : known
          .filter(([, , , members = '']) => members.split(',').includes(name))
          .map(([each = '', , id = '']) => checked(id, `group ${each}`));
  const further = [...memberships, ...groups.map((each) => groupId(each, groupIds))];
  // The primary group is among the others too, so that a process can't shed it (CVE-2022-36109).
  const all = [...new Set([gid, ...further])];
  if (all.length > MAX_GROUPS) {
    throw new SwarmError(
      'invalid',
      `user ${wanted} is in ${all.length} groups, the kernel takes ${MAX_GROUPS}`,
    );
  }
  return { uid, gid, additionalGids: all };
}

function groupId(text: string, ids: ReadonlyMap<string, string>): number {
  const id = ids.get(text);
  if (id !== undefined) return checked(id, `group ${text}`);
  if (isNumber(text)) return checked(text, `group ${text}`);
  throw new SwarmError(
    'invalid',
    `unable to find group ${text}: no matching entries in group file`,
  );
}

/** The image's files may say anything. */
function checked(text: string, what: string): number {
  const id = isNumber(text) ? Number(text) : Number.NaN;
  if (!(id <= MAX_ID))
    throw new SwarmError('invalid', `${what}: uids and gids must be in range 0-${MAX_ID}`);
  return id;
}

function parseLines(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.includes(':') && !line.startsWith('#'))
    .map((line) => line.split(':'));
}

function isNumber(text: string | undefined): boolean {
  return text !== undefined && /^\d+$/.test(text);
}
