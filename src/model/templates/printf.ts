// `printf` of templates: Go's verbs for the kinds of values that templates have.
import {
  Fields,
  OUTPUT_MAX,
  ValueError,
  exponential,
  isMap,
  typeName,
  valueText,
  type Value,
} from './values.ts';

const DIRECTIVE = /%([-+# 0]*)(\*|\d{1,7})?(?:\.(\*|\d{0,7}))?([^%]|%|$)/gu;
/** Widest field; Go's own bound. */
const WIDTH_MAX = 1_000_000;

interface Directive {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
  readonly verb: string;
}

/** Raises a ValueError only for a result that is too long. */
export function formatted(format: string, args: readonly Value[]): string {
  let next = 0;
  let length = 0;
  const grown = (text: string): string => {
    length += text.length;
    if (length > OUTPUT_MAX)
      throw new ValueError(`printf makes more than ${OUTPUT_MAX} characters`);
    return text;
  };
  const star = (text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    if (text !== '*') return Number(text);
    const value = args[next++];
    return typeof value === 'bigint' ? Number(value) : undefined;
  };
  const text = format.replaceAll(
    DIRECTIVE,
    (_whole, flags: string, width?: string, precision?: string, verb = '') => {
      const wide = star(width) ?? 0;
      const directive = {
        flags: wide < 0 ? `${flags}-` : flags,
        width: Math.min(Math.abs(wide), WIDTH_MAX),
        precision: star(precision),
        verb,
      };
      if (verb === '%') return '%';
      if (verb === '') return '%!(NOVERB)';
      if (next >= args.length) return grown(`%!${verb}(MISSING)`);
      return grown(padded(convert(args[next++], directive), directive));
    },
  );
  if (next >= args.length) return text;
  const extra = args.slice(next).map((arg) => `${typeName(arg)}=${valueText(arg, true)}`);
  return `${text}%!(EXTRA ${extra.join(', ')})`;
}

function convert(value: Value, directive: Directive): string {
  const { verb } = directive;
  if (verb === 'T') return typeName(value);
  if (verb === 'v' && !directive.flags.includes('#')) return plain(value, directive);
  const wrong = `%!${verb}(${typeName(value)}=${valueText(value, true)})`;
  if (value === undefined) return `%!${verb}(<nil>)`;
  if (typeof value === 'string') return convertText(value, directive) ?? wrong;
  if (typeof value === 'bigint') return convertWhole(value, directive) ?? wrong;
  if (typeof value === 'number') return convertFloat(value, directive) ?? wrong;
  if (typeof value === 'boolean') return 'tv'.includes(verb) ? String(value) : wrong;
  return 'sv'.includes(verb) && (isMap(value) || value instanceof Fields)
    ? valueText(value, true)
    : wrong;
}

function plain(value: Value, directive: Directive): string {
  if (typeof value === 'bigint') return signed(value, value.toString(), directive);
  if (typeof value === 'string') return cut(value, directive);
  return valueText(value, true);
}

function convertText(text: string, directive: Directive): string | undefined {
  switch (directive.verb) {
    case 's':
      return cut(text, directive);
    case 'q':
    case 'v':
      return quoted(cut(text, directive));
    case 'x':
    case 'X': {
      const hex = [...new TextEncoder().encode(cut(text, directive))]
        .map((byte) => byte.toString(16).padStart(2, '0'))
        .join('');
      return directive.verb === 'x' ? hex : hex.toUpperCase();
    }
    default:
      return undefined;
  }
}

const BASES: Readonly<Record<string, number>> = { d: 10, v: 10, b: 2, o: 8, O: 8, x: 16, X: 16 };
const PREFIXES: Readonly<Record<string, string>> = { b: '0b', o: '0', x: '0x', X: '0X' };

function convertWhole(value: bigint, directive: Directive): string | undefined {
  const { verb, flags, precision } = directive;
  if (verb === 'c' || verb === 'q') {
    const valid = value >= 0n && value <= 0x10ffffn;
    const sign = String.fromCodePoint(valid ? Number(value) : 0xfffd);
    return verb === 'c' ? sign : `'${sign}'`;
  }
  if (verb === 'U') return `U+${value.toString(16).toUpperCase().padStart(4, '0')}`;
  const base = BASES[verb];
  if (base === undefined) return undefined;
  const magnitude = (value < 0n ? -value : value).toString(base);
  const digits = (verb === 'X' ? magnitude.toUpperCase() : magnitude).padStart(
    Math.min(precision ?? 0, WIDTH_MAX),
    '0',
  );
  const prefix = verb === 'O' ? '0o' : flags.includes('#') ? (PREFIXES[verb] ?? '') : '';
  return signed(value, `${value < 0n ? '-' : ''}${prefix}${digits}`, directive);
}

function convertFloat(value: number, directive: Directive): string | undefined {
  const { verb } = directive;
  // The runtime's own bound of digits.
  const precision = Math.min(directive.precision ?? 6, 100);
  switch (verb) {
    case 'f':
    case 'F':
      return signed(value, value.toFixed(precision), directive);
    case 'e':
    case 'E': {
      const text = exponential(value.toExponential(precision));
      return signed(value, verb === 'E' ? text.toUpperCase() : text, directive);
    }
    case 'g':
    case 'G':
    case 'v': {
      const exact =
        directive.precision === undefined
          ? value
          : Number(value.toPrecision(Math.max(1, precision)));
      return signed(value, valueText(exact), directive);
    }
    default:
      return undefined;
  }
}

function signed(value: bigint | number, text: string, { flags }: Directive): string {
  if (value < 0) return text;
  if (flags.includes('+')) return `+${text}`;
  return flags.includes(' ') ? ` ${text}` : text;
}

function cut(text: string, { precision }: Directive): string {
  return precision === undefined ? text : Array.from(text).slice(0, precision).join('');
}

function padded(text: string, { flags, width, verb }: Directive): string {
  const missing = width - Array.from(text).length;
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (!flags.includes('0') || verb === 'q') return ' '.repeat(missing) + text;
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(/\\u00([\da-f]{2})/g, '\\x$1');
}
