// The one place where JSON text becomes a value. What comes back is `unknown`: a decoder (schema.ts)
// makes it a type. Text of any origin may be given: length and depth are bounded before it is parsed.
import { SwarmError, messageOf, type ErrorCode } from './errors.ts';

export interface JsonLimits {
  /** Characters (UTF-16 units) at most. */
  readonly length?: number;
  /** Levels of objects and lists at most. */
  readonly depth?: number;
  /** What an error is raised as; `dataLoss` for what this program wrote itself. */
  readonly code?: ErrorCode;
}

/** As long as the largest message between machines. */
export const JSON_LENGTH_MAX = 64 * 1024 * 1024;
export const JSON_DEPTH_MAX = 64;

const utf8 = new TextDecoder();

/** Parses `text` (bytes are read as UTF-8); raises `invalid` (or `limits.code`), which names `what`. */
export function parseJson(
  text: string | Uint8Array,
  what: string,
  { length = JSON_LENGTH_MAX, depth = JSON_DEPTH_MAX, code = 'invalid' }: JsonLimits = {},
): unknown {
  if (text.length > length) {
    throw new SwarmError(code, `${what} is too long: ${text.length} of at most ${length} bytes`);
  }
  const json = typeof text === 'string' ? text : utf8.decode(text);
  if (isDeeper(json, depth)) {
    throw new SwarmError(code, `${what} is nested too deep: at most ${depth} levels are read`);
  }
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new SwarmError(code, `${what} is not JSON: ${messageOf(error)}`);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** One pass over the text; brackets inside of strings don't count. */
function isDeeper(json: string, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const unit = json.charCodeAt(at);
    if (unit === QUOTE) {
      for (at++; at < json.length && json.charCodeAt(at) !== QUOTE; at++) {
        if (json.charCodeAt(at) === BACKSLASH) at++;
      }
    } else if (unit === 0x7b || unit === 0x5b) {
      if (++depth > limit) return true;
    } else if (unit === 0x7d || unit === 0x5d) depth--;
  }
  return false;
}
