// The user of a container's process: "name", "uid", "name:group", "uid:gid", looked up in the
// image's own /etc/passwd and /etc/group. Pure.
import { SwarmError } from '../../base/index.ts';
import type { OciUser } from './oci-types.ts';

const MAX_ID = 2 ** 31 - 1;

/** True when the image's files are needed to tell the ids. */
export function needsLookUp(user: string, groups: readonly string[]): boolean {
  // A bare number needs the files as well: they tell its group and its further groups.
  return user !== '' || groups.some((group) => !isNumber(group));
}

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
  const passwdEntries = parseLines(passwd);
  const groupEntries = parseLines(group);
  const wanted = userPart === '' ? '0' : userPart;
  const entry =
    passwdEntries.find(([name]) => name === wanted) ??
    passwdEntries.find(([, , uid]) => isNumber(wanted) && Number(uid) === Number(wanted));
  if (entry === undefined && !isNumber(wanted)) {
    throw new SwarmError(
      'invalid',
      `unable to find user ${userPart}: no matching entries in passwd file`,
    );
  }
  const uid = checked(entry?.[2] ?? wanted, `user ${wanted}`);
  const gid = groupPart === '' ? Number(entry?.[3] ?? 0) : groupId(groupPart, groupEntries);
  const name = entry?.[0];
  const memberships =
    name === undefined || groupPart !== ''
      ? []
      : groupEntries
          .filter(([, , , members = '']) => members.split(',').includes(name))
          .map(([, , id]) => Number(id));
  const further = [...memberships, ...groups.map((each) => groupId(each, groupEntries))];
  // The primary group is among the others too, so that a process can't shed it (CVE-2022-36109).
  return { uid, gid, additionalGids: [...new Set([gid, ...further])] };
}

function groupId(text: string, entries: readonly string[][]): number {
  const entry = entries.find(([name]) => name === text);
  if (entry !== undefined) return Number(entry[2]);
  if (isNumber(text)) return checked(text, `group ${text}`);
  throw new SwarmError(
    'invalid',
    `unable to find group ${text}: no matching entries in group file`,
  );
}

function checked(text: string, what: string): number {
  const id = Number(text);
  if (id > MAX_ID)
    throw new SwarmError('invalid', `${what}: uids and gids must be in range 0-${MAX_ID}`);
  return id;
}

function parseLines(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.includes(':') && !line.startsWith('#'))
    .map((line) => line.split(':'));
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}
