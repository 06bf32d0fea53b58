import { describe, expect, it } from 'vitest';
import { parseJson } from './json.ts';
import { count, decoder, list, map, oneOf, optional, record, text } from './schema.ts';

const decode = decoder(
  record({
    state: oneOf('ready', 'down'),
    names: list(text(5), 3),
    pid: optional(count()),
    labels: map(text(10), 2),
  }),
  'node status',
);

const good = { state: 'ready', names: ['a'], labels: { 'x\ny': 'v' } };

describe('a decoder', () => {
  it('gives what fits, without the fields that it does not know', () => {
    expect(decode({ ...good, more: 1 })).toEqual(good);
    expect(decode.json(JSON.stringify(good))).toEqual(good);
  });

  it.each([
    [{ ...good, state: 7 }, 'node status: state must be string, not 7'],
    [{ ...good, state: 'up' }, 'node status: state must be one of ready, down, not "up"'],
    [{ ...good, names: ['a', 2] }, 'node status: names.1 must be string, not 2'],
    [{ ...good, names: ['longer'] }, 'must NOT have more than 5 characters'],
    [{ ...good, names: ['a', 'b', 'c', 'd'] }, 'must NOT have more than 3 items'],
    [{ ...good, labels: { 'x\ny': 1 } }, 'labels.x\ny must be string, not 1'],
    [{ ...good, labels: { a: '', b: '', c: '' } }, 'must NOT have more than 2 properties'],
    [{ ...good, pid: -1 }, 'pid must be >= 0, not -1'],
    [{ ...good, pid: 1e300 }, 'pid'],
    [{ state: 'ready', names: [] }, "node status: must have required property 'labels'"],
    [[], 'node status: must be object, not a list of 0'],
    [null, 'node status: must be object, not null'],
  ])('names the field and the value of what does not fit', (value, message) => {
    expect(() => decode(value)).toThrow(message);
  });
});

describe('JSON text', () => {
  it('is bounded in length and depth before it is parsed', () => {
    expect(() => parseJson('[1,2]', 'body', { length: 4 })).toThrow(
      'body is too long: 5 of at most 4',
    );
    expect(() => parseJson('['.repeat(1e6), 'body')).toThrow('body is nested too deep');
    expect(parseJson('"[[[\\"[["', 'body', { depth: 0 })).toBe('[[["[[');
  });

  it('that is none raises an error that says so', () => {
    expect(() => parseJson('{"a":', 'body')).toThrow('body is not JSON');
    expect(() => parseJson(new Uint8Array([0xff, 0xfe]), 'body')).toThrow('body is not JSON');
  });
});
