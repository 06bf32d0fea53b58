// Every regular expression of the program takes time that grows with the text and no faster, whatever
// the text is. A checker reasons about each one; then each one is tried on texts that hurt bad ones.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { checkSync } from 'recheck';
import { parseSync } from 'vite';
import { beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Expressions that are put together at run time, out of parts that are no user's. */
const PUT_TOGETHER: Readonly<Record<string, string>> = {
  'src/engine-api/http/router.ts':
    'the literal patterns of the routes, with ([^/]+) or one (.+) in them',
  'src/overlay/firewalls/firewall-rules.ts': 'a literal text around the name of this instance',
  'src/overlay/firewalls/foreign-drops.ts': 'a number between word borders',
};

/** All of them are some ten seconds on a machine that has nothing else to do. */
const CHECK_MS = 300_000;

interface Pattern {
  readonly file: string;
  readonly source: string;
  readonly flags: string;
}

const files = ['src', 'raft-ts/src', 'sim/src'].flatMap((directory) =>
  readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(directory, name)),
);
const patterns: Pattern[] = [];
const putTogether = new Set<string>();

beforeAll(() => {
  for (const file of files) {
    const { program, errors } = parseSync(file, readFileSync(join(root, file), 'utf8'));
    expect(errors).toEqual([]);
    collect(file, program);
  }
});

interface SyntaxNode {
  readonly type?: string;
  readonly regex?: { readonly pattern: string; readonly flags: string };
  readonly callee?: { readonly name?: string };
  readonly arguments?: readonly unknown[];
}

function collect(file: string, node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  const { type, regex, callee, arguments: given } = node as SyntaxNode;
  if (type === 'Literal' && regex !== undefined) {
    patterns.push({ file, source: regex.pattern, flags: regex.flags });
  }
  const makes = type === 'NewExpression' || type === 'CallExpression';
  if (makes && callee?.name === 'RegExp') {
    const source = constantText(given?.[0]);
    if (source === undefined) putTogether.add(file);
    else patterns.push({ file, source, flags: '' });
  }
  for (const inner of Object.values(node)) collect(file, inner);
}

/** The text of a string, or undefined for one that is put together. */
function constantText(node: unknown): string | undefined {
  const { type, value } = node as { readonly type?: string; readonly value?: unknown };
  return type === 'Literal' && typeof value === 'string' ? value : undefined;
}

describe('regular expressions', () => {
  it('are literals, but for a few whose parts are known', () => {
    expect(patterns.length).toBeGreaterThan(100);
    expect([...putTogether].sort()).toEqual(Object.keys(PUT_TOGETHER).sort());
  });

  it(
    'are linear by what they say',
    () => {
      process.env['RECHECK_BACKEND'] = 'pure';
      const dangerous = distinct(patterns).flatMap(({ file, source, flags }) => {
        const found = checkSync(source, flags.replace(/[dvy]/g, ''), {
          checker: 'automaton',
          // Its answer must not depend on what else the machine does.
          timeout: null,
        });
        const { status } = found;
        // A sticky one begins at one place: what is quadratic by the number of beginnings is linear.
        const sticky =
          flags.includes('y') && status === 'vulnerable' && found.complexity.type === 'polynomial';
        return status === 'safe' || sticky ? [] : [`${file}: /${source}/${flags} is ${status}`];
      });
      expect(dangerous).toEqual([]);
    },
    CHECK_MS,
  );

  it('are linear by what they do', () => {
    const context = createContext({ expression: /x/, text: '' });
    const slow: string[] = [];
    for (const { file, source, flags } of distinct(patterns)) {
      for (const text of hostileTexts(source)) {
        context['expression'] = new RegExp(source, flags);
        context['text'] = text;
        try {
          // Quadratic work on such a text is minutes.
          runInContext('text.replace(expression, "")', context, { timeout: WORK_MS });
        } catch {
          slow.push(`${file}: /${source}/${flags} on ${JSON.stringify(text.slice(0, 20))}…`);
          break;
        }
      }
    }
    expect(slow).toEqual([]);
  });
});

const WORK_MS = 2_000;
const LENGTH = 200_000;

/** What the expression likes, again and again, and an end that it does not like. */
function hostileTexts(source: string): string[] {
  const literal = source.match(/[\w {}=:/@.,"'-]+/g) ?? [];
  const pumps = new Set([
    'a',
    '0',
    'A',
    ' ',
    '\n',
    '.',
    '-',
    'a.',
    'a-',
    '{{',
    'a b',
    '0.',
    ...literal,
  ]);
  return [...pumps]
    .filter((pump) => pump.length < 20)
    .map((pump) => `${pump.repeat(Math.ceil(LENGTH / pump.length))}\0`);
}

function distinct(all: readonly Pattern[]): readonly Pattern[] {
  return [...new Map(all.map((one) => [`${one.source}/${one.flags}`, one])).values()];
}
