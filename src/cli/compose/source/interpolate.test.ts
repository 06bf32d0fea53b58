// Variables in stack files.
import { describe, expect, it } from 'vitest';
import { interpolate, interpolateText } from './interpolate.ts';

const environment = { A: 'a', EMPTY: '', B: 'b', PATH_1: '/x' };

describe('interpolateText', () => {
  it.each([
    ['plain', 'plain'],
    ['$A', 'a'],
    ['${A}', 'a'],
    ['x$A-y', 'xa-y'],
    ['$PATH_1/z', '/x/z'],
    ['$$A', '$A'],
    ['$${A}', '${A}'],
    ['100$$', '100$'],
    ['$NONE', ''],
    ['${NONE:-d}', 'd'],
    ['${NONE-d}', 'd'],
    ['${EMPTY:-d}', 'd'],
    ['${EMPTY-d}', ''],
    ['${A:-d}', 'a'],
    ['${A:+x}', 'x'],
    ['${EMPTY:+x}', ''],
    ['${EMPTY+x}', 'x'],
    ['${NONE+x}', ''],
    ['${NONE:-${NEITHER:-z}}', 'z'],
    ['${NONE:-${A}b}c', 'abc'],
    ['${A:+${B:+both}}', 'both'],
    ['${NONE:-a:b-c?d}', 'a:b-c?d'],
    ['${NONE:-}', ''],
    ['${A:?needed}', 'a'],
    ['${A:-${NONE:?not reached}}', 'a'],
    ['{{.Task.Name}}', '{{.Task.Name}}'],
  ])('%s is %j', (text, expected) => {
    expect(interpolateText(text, environment)).toBe(expected);
  });

  it.each([
    ['${NONE:?say which}', 'required variable NONE is missing a value: say which'],
    ['${NONE?}', 'required variable NONE is missing a value'],
    ['${EMPTY:?set it}', 'required variable EMPTY is missing a value: set it'],
    ['${NONE:-${OTHER:?inner}}', 'required variable OTHER is missing a value: inner'],
    ['${A', 'invalid interpolation format "${A": use ${NAME}, and $$ for a dollar sign'],
    ['${', 'invalid interpolation format "${"'],
    ['${1A}', 'invalid interpolation format "${1A}"'],
    ['$', 'invalid interpolation format "$"'],
    ['a $ b', 'invalid interpolation format "a $ b"'],
    ['${A:-b', 'invalid interpolation format'],
    ['${A%b}', 'invalid interpolation format'],
  ])('%s is refused', (text, message) => {
    expect(() => interpolateText(text, environment)).toThrow(message);
  });

  it('bounds the nesting', () => {
    const text = `${'${X:-'.repeat(20)}${'}'.repeat(20)}`;
    expect(() => interpolateText(text, {})).toThrow('nested deeper than 16');
  });

  it('does not take values from the prototype', () => {
    expect(interpolateText('${constructor:-none}', {})).toBe('none');
  });
});

describe('interpolate', () => {
  it('goes through values, not keys, and tells what was changed and unset', () => {
    const value = { $A: ['$A', 1, { k: '$NONE $NONE ${OTHER:-x}' }], plain: 'p' };
    const result = interpolate(value, environment, (_path, message) => new Error(message));
    expect(result.value).toEqual({ $A: ['a', 1, { k: '  x' }], plain: 'p' });
    expect([...result.changed]).toEqual(['["$A",0]', '["$A",2,"k"]']);
    expect(result.unset).toEqual(['NONE']);
  });

  it('tells the path of a bad text', () => {
    const run = (): unknown =>
      interpolate(
        { a: { b: ['${'] } },
        {},
        (path, message) => new Error(`${path.join('/')} ${message}`),
      );
    expect(run).toThrow('a/b/0 invalid interpolation format');
  });
});
