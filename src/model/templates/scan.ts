// Splits a template into text and the tokens of its actions, in one pass from left to right.
import { TemplateError } from './values.ts';

/** Kinds of tokens within an action. */
export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'field'
  | 'dot'
  | 'variable'
  | 'string'
  | 'char'
  | 'number'
  | 'identifier'
  | '('
  | ')'
  | '|'
  | ':='
  | '='
  | ','
  | 'end';

/** A token with its place in the text. */
export interface Token {
  readonly kind: TokenKind;
  /** As it is written; of strings and characters, what they stand for. */
  readonly text: string;
  /** Where it begins. */
  readonly at: number;
  /** White space comes before it. */
  readonly spaced: boolean;
}

const SPACE = ' \t\r\n';
const NUMBER =
  /[+-]?(?:0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[\d_]+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)/y;
const WORD = /[\p{L}\p{Nd}_]+/uy;
const PUNCTUATION = ['(', ')', '|', '=', ','] as const;

/** All tokens; raises a TemplateError for what is no template. */
export function scan(template: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trimLeft = false;
  while (at < template.length) {
    const open = template.indexOf('{{', at);
    const end = open < 0 ? template.length : open;
    const trimRight = open >= 0 && template[open + 2] === '-' && isSpace(template[open + 3]);
    const text = trimmed(template.slice(at, end), trimLeft, trimRight);
    if (text !== '') tokens.push({ kind: 'text', text, at, spaced: false });
    if (open < 0) break;
    const start = open + (trimRight ? 3 : 2);
    const action = scanAction(template, open, start);
    tokens.push(...action.tokens);
    at = action.end;
    trimLeft = action.trims;
  }
  tokens.push({ kind: 'end', text: '', at: template.length, spaced: false });
  return tokens;
}

interface Action {
  readonly tokens: readonly Token[];
  readonly end: number;
  /** White space after it goes. */
  readonly trims: boolean;
}

function scanAction(template: string, open: number, start: number): Action {
  const comment = skipSpace(template, start);
  if (template.startsWith('/*', comment)) return scanComment(template, open, comment);
  const tokens: Token[] = [{ kind: 'open', text: '{{', at: open, spaced: false }];
  let at = start;
  for (;;) {
    const next = skipSpace(template, at);
    const spaced = next > at;
    if (spaced && template.startsWith('-}}', next)) return closed(tokens, next, 3);
    if (template.startsWith('}}', next)) return closed(tokens, next, 2);
    if (next >= template.length) throw new TemplateError(template, open, 'unclosed action');
    const token = scanToken(template, next, spaced);
    tokens.push(token.token);
    at = token.end;
  }
}

function closed(tokens: Token[], at: number, length: number): Action {
  tokens.push({ kind: 'close', text: '}}', at, spaced: false });
  return { tokens, end: at + length, trims: length === 3 };
}

function scanComment(template: string, open: number, start: number): Action {
  const end = template.indexOf('*/', start + 2);
  if (end < 0) throw new TemplateError(template, open, 'unclosed comment');
  if (template.startsWith('}}', end + 2)) return { tokens: [], end: end + 4, trims: false };
  const close = skipSpace(template, end + 2);
  if (close > end + 2 && template.startsWith('-}}', close)) {
    return { tokens: [], end: close + 3, trims: true };
  }
  throw new TemplateError(template, open, 'comment ends before closing delimiter');
}

function scanToken(
  template: string,
  at: number,
  spaced: boolean,
): { readonly token: Token; readonly end: number } {
  const sign = template[at] ?? '';
  const made = (kind: TokenKind, end: number, text = template.slice(at, end)) => ({
    token: { kind, text, at, spaced },
    end,
  });
  if (sign === '"' || sign === "'") {
    const { text, end } = scanQuoted(template, at, sign);
    return made(sign === '"' ? 'string' : 'char', end, text);
  }
  if (sign === '`') {
    const end = template.indexOf('`', at + 1);
    if (end < 0) throw new TemplateError(template, at, 'unterminated raw quoted string');
    return made('string', end + 1, template.slice(at + 1, end));
  }
  if (sign === '$') return made('variable', wordEnd(template, at + 1));
  if (sign === '.' && !isDigit(template[at + 1])) {
    const end = wordEnd(template, at + 1);
    return made(end === at + 1 ? 'dot' : 'field', end);
  }
  if (isDigit(sign) || '.+-'.includes(sign)) {
    NUMBER.lastIndex = at;
    const number = NUMBER.exec(template)?.[0];
    if (number === undefined || wordEnd(template, at + number.length) > at + number.length) {
      throw new TemplateError(template, at, `bad number syntax: ${shown(template, at)}`);
    }
    return made('number', at + number.length);
  }
  if (template.startsWith(':=', at)) return made(':=', at + 2);
  const punctuation = PUNCTUATION.find((each) => each === sign);
  if (punctuation !== undefined) return made(punctuation, at + 1);
  const end = wordEnd(template, at);
  if (end === at) {
    throw new TemplateError(template, at, `unexpected ${shown(template, at)} in operand`);
  }
  return made('identifier', end);
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
};
const CODES: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

function scanQuoted(template: string, start: number, quote: string): { text: string; end: number } {
  const what = quote === '"' ? 'quoted string' : 'character constant';
  const parts: string[] = [];
  for (let at = start + 1; at < template.length; at++) {
    const sign = template[at] ?? '';
    if (sign === quote) return { text: parts.join(''), end: at + 1 };
    if (sign === '\n') break;
    if (sign !== '\\') {
      parts.push(sign);
      continue;
    }
    const escape = template[++at] ?? '';
    const digits = CODES[escape];
    const plain = ESCAPES[escape];
    if (digits !== undefined) {
      const code = template.slice(at + 1, at + 1 + digits);
      const value = Number.parseInt(code, 16);
      if (!/^[\da-fA-F]+$/.test(code) || code.length < digits || value > 0x10ffff) {
        throw new TemplateError(template, start, `invalid syntax in ${what}`);
      }
      parts.push(String.fromCodePoint(value));
      at += digits;
    } else if (plain === undefined) {
      throw new TemplateError(template, start, `invalid syntax in ${what}`);
    } else parts.push(plain);
  }
  throw new TemplateError(template, start, `unterminated ${what}`);
}

function wordEnd(template: string, at: number): number {
  WORD.lastIndex = at;
  return at + (WORD.exec(template)?.[0].length ?? 0);
}

function skipSpace(template: string, at: number): number {
  while (isSpace(template[at])) at++;
  return at;
}

function isSpace(sign: string | undefined): boolean {
  return sign !== undefined && SPACE.includes(sign);
}

function isDigit(sign: string | undefined): boolean {
  return sign !== undefined && sign >= '0' && sign <= '9';
}

function trimmed(text: string, left: boolean, right: boolean): string {
  let start = 0;
  let end = text.length;
  if (left) start = skipSpace(text, 0);
  if (right) while (end > start && isSpace(text[end - 1])) end--;
  return text.slice(start, end);
}

function shown(template: string, at: number): string {
  return JSON.stringify(template.slice(at, at + 10));
}
