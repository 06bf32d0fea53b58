// The example of the README, run as it stands there.
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { transformSync } from 'esbuild';
import { expect, it } from 'vitest';
import * as raft from '../src/index.ts';

it('the API document names every export', () => {
  const api = readFileSync(new URL('../docs/api.md', import.meta.url), 'utf8');
  const index = readFileSync(new URL('../src/index.ts', import.meta.url), 'utf8');
  const lists = [...index.matchAll(/export (?:type )?\{([^}]*)\}/g)].map(([, names = '']) => names);
  const names = lists.flatMap((list) => list.match(/\b(?!type\b)\w+/g) ?? []);
  expect(names.length).toBeGreaterThan(50);
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(api))).toEqual([]);
});

it('the example in the README works', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const { code } = transformSync(example, { loader: 'ts', format: 'cjs' });
  const printed: unknown[] = [];
  const console = { log: (value: unknown) => printed.push(JSON.stringify(value)) };
  runInNewContext(code, { require: () => raft, console, TextEncoder, TextDecoder });
  expect(printed).toEqual(['[["hello"],["hello"],["hello"]]']);
});
