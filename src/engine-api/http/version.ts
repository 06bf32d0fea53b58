// Versions of Docker's API: which are spoken, and how a path names one.
import { SwarmError } from '../../base/index.ts';

export const API_VERSION = '1.51';
export const API_VERSION_MIN = '1.24';

export interface VersionedPath {
  readonly path: string;
  /** As a number that compares: 1.41 → 1041. */
  readonly version: number;
}

export function versionNumber(text: string): number {
  const [major = '0', minor = '0'] = text.split('.');
  return Number(major) * 1000 + Number(minor);
}

/** Splits "/v1.41/services" and checks the range; a bare path means the newest version. */
export function splitVersion(pathname: string): VersionedPath {
  const match = /^\/v(\d+\.\d+)(\/.*)$/.exec(pathname);
  const [, text, path] = match ?? [];
  if (text === undefined || path === undefined) {
    return { path: pathname, version: versionNumber(API_VERSION) };
  }
  const version = versionNumber(text);
  if (version > versionNumber(API_VERSION)) {
    throw new SwarmError(
      'invalid',
      `client version ${text} is too new. Maximum supported API version is ${API_VERSION}`,
    );
  }
  if (version < versionNumber(API_VERSION_MIN)) {
    throw new SwarmError(
      'invalid',
      `client version ${text} is too old. Minimum supported API version is ${API_VERSION_MIN}, please upgrade your client to a newer version`,
    );
  }
  return { path, version };
}
