// What a request names: path and query, read as Docker's server reads them. What no client sends (bad
// escapes, NUL, dot segments) is refused here, so that routes see names and nothing else.
import { SwarmError } from '../../base/index.ts';

export interface RequestTarget {
  /** Still escaped, without empty segments and without a slash at the end. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/** As long as an address can be, headers not counted; a list of filters is the longest that is sent. */
const TARGET_LENGTH_MAX = 64 * 1024;
const QUERY_PARAMETERS_MAX = 1_000;
const BAD_ESCAPE = /%(?![0-9a-fA-F]{2}).{0,2}/;

/** Raises `invalid`. */
export function parseTarget(url: string): RequestTarget {
  if (url.length > TARGET_LENGTH_MAX) {
    throw new SwarmError('invalid', `the address is longer than ${TARGET_LENGTH_MAX} characters`);
  }
  // Proxies name the whole address; what comes before its path is nothing to us.
  const local = url.replace(/^https?:\/\/[^/?#]*/i, '');
  const [beforeFragment = ''] = local.split('#', 1);
  const at = beforeFragment.indexOf('?');
  const path = at < 0 ? beforeFragment : beforeFragment.slice(0, at);
  return { path: checkedPath(path), query: parseQuery(at < 0 ? '' : beforeFragment.slice(at + 1)) };
}

function checkedPath(path: string): string {
  checkEscapes(path);
  const segments = path.split('/').filter((segment) => segment !== '');
  if (segments.map(decoded).some((name) => name === '.' || name === '..')) {
    throw new SwarmError('invalid', 'the path has segments of dots: name what you mean');
  }
  return `/${segments.join('/')}`;
}

function parseQuery(text: string): URLSearchParams {
  checkEscapes(text);
  if (text.includes(';')) throw new SwarmError('invalid', 'invalid semicolon separator in query');
  const query = new URLSearchParams(text);
  if (query.size > QUERY_PARAMETERS_MAX) {
    throw new SwarmError('invalid', `the query has more than ${QUERY_PARAMETERS_MAX} parameters`);
  }
  return query;
}

function checkEscapes(text: string): void {
  const [bad] = BAD_ESCAPE.exec(text) ?? [];
  if (bad !== undefined) {
    throw new SwarmError('invalid', `invalid URL escape ${JSON.stringify(bad)}`);
  }
  if (/%00|\0/.test(text)) throw new SwarmError('invalid', 'the address has a NUL character');
}

/** One part of a path without its escapes. Raises `invalid` when they are no UTF-8. */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new SwarmError('invalid', `${JSON.stringify(part)} in the path is not UTF-8`);
  }
}
