// Who we are to a registry: the X-Registry-Auth header of Docker's API, and the challenge by which
// a registry asks for it. Pure.
import { SwarmError, decoder, map, unknown } from '../../base/index.ts';

export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  /** Refresh token of an OAuth2 login. */
  readonly identityToken?: string;
  /** Bearer token to be sent as it is. */
  readonly registryToken?: string;
}

/** An identity token may have some kilobytes. */
const MAX_AUTH_CHARACTERS = 64 * 1024;
const decodeAuth = decoder(map(unknown(), 100), 'X-Registry-Auth', { depth: 8 });
/** Of a header that names challenges; they have some hundred characters. */
const MAX_CHALLENGE_CHARACTERS = 4096;

/**
 * Reads X-Registry-Auth: base64url (or base64) of JSON. Empty fields and an empty object mean
 * "nobody". Throws `invalid` without repeating the value, which holds a password.
 */
export function parseRegistryAuth(header: string | undefined): Credentials {
  if (header === undefined || header === '') return {};
  let value: Readonly<Record<string, unknown>>;
  try {
    const json = Buffer.from(header.slice(0, MAX_AUTH_CHARACTERS), 'base64url');
    value = decodeAuth.json(json);
  } catch {
    throw new SwarmError('invalid', 'X-Registry-Auth is not a base64url-encoded JSON object');
  }
  const fields = Object.entries(value).map(([key, field]) => [key.toLowerCase(), field] as const);
  const text = (name: string): string | undefined => {
    const found = fields.find(([key]) => key === name)?.[1];
    return typeof found === 'string' && found !== '' ? found : undefined;
  };
  const parts = {
    username: text('username'),
    password: text('password'),
    identityToken: text('identitytoken'),
    registryToken: text('registrytoken'),
  };
  return Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined));
}

export interface Challenge {
  /** Lower case: "bearer" or "basic". */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Reads WWW-Authenticate (RFC 9110 §11.6.1): one or more challenges. Unreadable parts are left
 * out.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  const token = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+)))?/g;
  for (const [, name = '', quoted, plain] of header
    .slice(0, MAX_CHALLENGE_CHARACTERS)
    .matchAll(token)) {
    const value = quoted?.replace(/\\(.)/g, '$1') ?? plain;
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: {} });
    else {
      const current = challenges.at(-1);
      if (current !== undefined) current.parameters[name.toLowerCase()] = value;
    }
  }
  return challenges;
}
