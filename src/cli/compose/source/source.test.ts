// YAML as stack files use it: values, places, bounds.
import { describe, expect, it } from 'vitest';
import { parseSource } from './source.ts';

const parse = (text: string): unknown => parseSource('f.yaml', text).value;

describe('values', () => {
  it.each([
    ['an octal number', 'mode: 0440', { mode: 0o440 }],
    ['a decimal number', 'mode: 440', { mode: 440 }],
    [
      'a whole number keeps its digits',
      'a: [1147053346671102335, -9223372036854775808, 007777777777777777777777, 0x7fffffffffffffff]',
      {
        a: [
          '1147053346671102335',
          '-9223372036854775808',
          '73786976294838206463',
          '9223372036854775807',
        ],
      },
    ],
    [
      'an exact one is a number',
      'a: [9007199254740991, -5, 0x10, 0o17]',
      { a: [9007199254740991, -5, 16, 15] },
    ],
    ['also as a key', '1147053346671102335: x', { '1147053346671102335': 'x' }],
    ['ports are texts, not base 60', 'ports: [22:22]', { ports: ['22:22'] }],
    ['yes and no are texts', 'restart: no', { restart: 'no' }],
    ['true is true', 'tty: true', { tty: true }],
    ['an alias', 'a: &x {k: 1}\nb: *x', { a: { k: 1 }, b: { k: 1 } }],
    [
      'a merge key',
      'a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}',
      { a: { k: 1, l: 2 }, b: { k: 1, l: 3 } },
    ],
    [
      'several merge keys',
      'a: &x {k: 1}\nc: &y {m: 2}\nb: {<<: [*x, *y]}',
      { a: { k: 1 }, c: { m: 2 }, b: { k: 1, m: 2 } },
    ],
  ])('%s', (_name, text, value) => {
    expect(parse(text)).toEqual(value);
  });

  it('takes one anchor that 200 services use', () => {
    const services = Array.from({ length: 200 }, (_, i) => `s${i}: {<<: *x}`);
    const value = parse(['x: &x {image: a}', ...services].join('\n'));
    expect(Object.keys(value as object)).toHaveLength(201);
  });
});

describe('errors', () => {
  it.each([
    ['a tab', 'a:\n\tb: 1', 'f.yaml:2:1: Tabs are not allowed as indentation'],
    [
      'a list among keys',
      'a:\n  b: 1\n  - c\n',
      'f.yaml:3:1: A block sequence may not be used as an implicit map key',
    ],
    ['an open quote', 'a: "b\n', 'f.yaml:2:1: Missing closing "quote'],
    ['an open list', 'a: [1, 2\nb: 3\n', /^f\.yaml:2:1: /],
    ['a key twice', 'a: 1\nb: 2\na: 3\n', 'f.yaml:3:1: Map keys must be unique'],
    [
      'an unknown anchor',
      'a: *nothing\n',
      'f.yaml:1:4: the anchor &nothing is not set before this alias',
    ],
    ['an unknown tag', 'a: !reset 1\n', /^f\.yaml:1:4: Unresolved tag: !reset/],
    ['two documents', 'a: 1\n---\nb: 2\n', /^f\.yaml:2:1: .*multiple documents/],
  ])('%s', (_name, text, message) => {
    expect(() => parse(text)).toThrow(message);
  });

  it('bounds the size of a file', () => {
    expect(() => parse(`a: ${'x'.repeat(2 ** 20)}`)).toThrow(
      'f.yaml: the file is larger than 1048576 bytes',
    );
  });

  it('bounds what aliases expand to', () => {
    const lines = ['a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]'];
    for (let i = 1; i < 9; i++) {
      lines.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    }
    expect(() => parse(lines.join('\n'))).toThrow(
      'f.yaml: the file expands to more than 200000 values',
    );
  });

  it('bounds the depth', () => {
    const depth = 100;
    expect(() => parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)).toThrow(
      'f.yaml: the file is nested too deeply',
    );
  });
});

describe('places', () => {
  const source = parseSource('f.yaml', 'a:\n  b:\n    - one\n    - two: 2\nc: &c {d: 1}\ne: *c\n');

  it.each([
    [['a', 'b', 0], 'value', 'f.yaml:3:7: a.b[0]: x'],
    [['a', 'b', 1, 'two'], 'value', 'f.yaml:4:12: a.b[1].two: x'],
    [['a', 'b', 1, 'two'], 'key', 'f.yaml:4:7: a.b[1].two: x'],
    [['e', 'd'], 'value', 'f.yaml:5:11: e.d: x'],
    [['a', 'missing'], 'value', 'f.yaml:2:3: a.missing: x'],
    [[], 'value', 'f.yaml:1:1: x'],
  ] as const)('%j as %s', (path, of, expected) => {
    expect(source.tell(path, 'x', of)).toBe(expected);
  });
});
