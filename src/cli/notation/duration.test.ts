// Durations, sizes and CPUs as flags and stack files give them.
import { describe, expect, it } from 'vitest';
import { durationToText, parseCpus, parseDuration, parseSize } from './duration.ts';

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['10s', 10e9],
    ['1m30s', 90e9],
    ['1.5h', 5400e9],
    ['500ms', 5e8],
    ['2us', 2000],
    ['7ns', 7],
  ])('%s', (text, ns) => {
    expect(parseDuration(text)).toBe(ns);
  });

  it.each(['1d', 'soon', '10', '5s later', '-1s'])('%s is refused', (text) => {
    expect(() => parseDuration(text)).toThrow(`invalid duration ${JSON.stringify(text)}`);
  });

  it.each([
    [0, '0s'],
    [5e8, '500ms'],
    [90e9, '1m30s'],
    [3600e9, '1h'],
    [1.5e9, '1.5s'],
  ])('%d ns is shown as %s', (ns, text) => {
    expect(durationToText(ns)).toBe(text);
  });
});

describe('parseSize', () => {
  it.each([
    ['1024', 1024],
    ['64M', 64 * 2 ** 20],
    ['64mb', 64 * 2 ** 20],
    ['1.5g', 1.5 * 2 ** 30],
    ['2KiB', 2048],
    ['7b', 7],
  ])('%s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'M', '1x', '-1M'])('%j is refused', (text) => {
    expect(() => parseSize(text)).toThrow(`invalid size ${JSON.stringify(text)}`);
  });
});

describe('parseCpus', () => {
  it.each([
    ['0.5', 5e8],
    ['2', 2e9],
    ['.25', 25e7],
  ])('%s', (text, nano) => {
    expect(parseCpus(text)).toBe(nano);
  });

  it.each(['', 'half', '-1'])('%j is refused', (text) => {
    expect(() => parseCpus(text)).toThrow(`invalid number of CPUs ${JSON.stringify(text)}`);
  });
});
