// Files of variables: `.env` beside the stack file (quotes and comments as in a shell) and the
// `env_file` of a service (lines as they are, as Docker reads them for stacks).
import { interpolateText, type Environment } from './interpolate.ts';

const LINES_MAX = 10_000;
const ASSIGNMENT = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=(.*)$/s;

function linesOf(name: string, text: string): readonly string[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  if (lines.length > LINES_MAX) throw new Error(`${name}: more than ${LINES_MAX} lines`);
  return lines;
}

/** Variables of a `.env` file; later lines see earlier ones. Raises an error with the line's number. */
export function parseDotEnv(
  name: string,
  text: string,
  environment: Environment,
): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [i, raw] of linesOf(name, text).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [, key, value] = ASSIGNMENT.exec(line) ?? [];
    if (key === undefined || value === undefined) {
      throw new Error(`${name}:${i + 1}: ${JSON.stringify(line)} is not of the form NAME=VALUE`);
    }
    try {
      values[key] = dotEnvValue(value.trimStart(), { ...values, ...environment });
    } catch (error) {
      throw new Error(
        `${name}:${i + 1}: ${error instanceof Error ? error.message : String(error)}`,
        {
          cause: error,
        },
      );
    }
  }
  return values;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

function dotEnvValue(text: string, environment: Environment): string {
  const single = /^'([^']*)'\s*(?:#.*)?$/.exec(text);
  if (single?.[1] !== undefined) return single[1];
  const double = /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/.exec(text);
  if (double?.[1] !== undefined) {
    const plain = interpolateText(double[1], environment);
    return plain.replace(/\\(.)/g, (_all, c: string) => ESCAPES[c] ?? c);
  }
  if (/^['"]/.test(text)) throw new Error('a quote is not closed');
  return interpolateText(text.replace(/(?:^|\s)#.*$/s, ''), environment).trimEnd();
}

/**
 * Variables of a service's `env_file`. A name alone takes its value from `environment`, and is left
 * out without one. Quotes are part of the value.
 */
export function parseEnvFile(
  name: string,
  text: string,
  environment: Environment,
): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [i, raw] of linesOf(name, text).entries()) {
    const line = raw.trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const at = line.indexOf('=');
    const key = (at < 0 ? line : line.slice(0, at)).trimEnd();
    if (key === '' || /\s/.test(key)) {
      throw new Error(`${name}:${i + 1}: ${JSON.stringify(line)} is not of the form NAME=VALUE`);
    }
    const value = at < 0 ? environment[key] : line.slice(at + 1);
    if (value !== undefined) values[key] = value;
  }
  return values;
}
