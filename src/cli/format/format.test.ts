// Lists, templates and small texts, as Docker shows them.
import { describe, expect, it } from 'vitest';
import { formatList, type Column } from './table.ts';
import { fillTemplate } from './template.ts';
import { ago, capitalized, durationText, memoryText, shortId, sizeText } from './text.ts';

describe('lists', () => {
  const columns: readonly Column[] = [
    { header: 'ID', field: 'ID' },
    { header: 'NAME', field: 'Name' },
  ];
  const rows = [
    { ID: 'abcdef', Name: 'web' },
    { ID: 'x', Name: '' },
  ];

  it.each([
    ['a table', {}, 'ID       NAME\nabcdef   web\nx\n'],
    ['ids', { quiet: true }, 'abcdef\nx\n'],
    ['a template', { format: '{{.Name}}/{{.ID}}' }, 'web/abcdef\n/x\n'],
    ['a template heartbeats -q', { quiet: true, format: '{{.Name}}' }, 'web\n\n'],
    [
      'a table by template',
      { format: 'table {{.Name}}\t{{.ID}}' },
      'NAME   ID\nweb    abcdef\n       x\n',
    ],
    ['json', { format: 'json' }, '{"ID":"abcdef","Name":"web"}\n{"ID":"x","Name":""}\n'],
    ['"table" alone', { format: 'table' }, 'ID       NAME\nabcdef   web\nx\n'],
  ])('%s', (_name, options, expected) => {
    expect(formatList(rows, columns, options)).toBe(expected);
  });

  it('of nothing has a header, but no ids', () => {
    expect(formatList([], columns, {})).toBe('ID   NAME\n');
    expect(formatList([], columns, { quiet: true })).toBe('');
  });
});

describe('templates', () => {
  const object = { Name: 'web', Spec: { Labels: { a: '1' }, Ports: [80, 81] }, N: 3 };

  it.each([
    ['{{.Name}}', 'web'],
    ['{{ .Name }}!', 'web!'],
    ['{{.Spec.Labels.a}}', '1'],
    ['{{json .Spec.Ports}}', '[80,81]'],
    ['{{json .}}', JSON.stringify(object)],
    ['{{.Name | upper}}', 'WEB'],
    ['{{upper .Name}}', 'WEB'],
    ['{{title .Name}}', 'Web'],
    ['{{len .Spec.Ports}}', '2'],
    ['{{.Spec.Nothing}}', '<no value>'],
    ['a\\tb\\n', 'a\tb\n'],
    ['{{.N}}', '3'],
  ])('%s', (template, expected) => {
    expect(fillTemplate(template, object)).toBe(expected);
  });

  it.each([
    ['{{.Nothing}}', 'template: there is no field .Nothing'],
    ['{{range .Spec}}', 'template: "range" is not supported'],
  ])('%s is refused', (template, message) => {
    expect(() => fillTemplate(template, object)).toThrow(message);
  });
});

describe('texts', () => {
  it.each([
    [0.2, 'Less than a second'],
    [1, '1 second'],
    [59, '59 seconds'],
    [60, 'About a minute'],
    [125, '2 minutes'],
    [3700, 'About an hour'],
    [7200, '2 hours'],
    [47 * 3600, '47 hours'],
    [48 * 3600, '2 days'],
    [15 * 86_400, '2 weeks'],
    [70 * 86_400, '2 months'],
    [800 * 86_400, '2 years'],
  ])('%d s: %s', (seconds, text) => {
    expect(durationText(seconds)).toBe(text);
  });

  it('ages never lie in the future', () => {
    const now = Date.parse('2026-01-01T00:00:10Z');
    expect(ago('2026-01-01T00:00:05Z', now)).toBe('5 seconds ago');
    expect(ago('2026-01-01T00:01:00Z', now)).toBe('Less than a second ago');
  });

  it.each([
    [0, '0B', '0B'],
    [1000, '1kB', '1000B'],
    [1_234_567, '1.23MB', '1.177MiB'],
    [2 ** 30, '1.07GB', '1GiB'],
  ])('%d bytes', (bytes, size, memory) => {
    expect([sizeText(bytes), memoryText(bytes)]).toEqual([size, memory]);
  });

  it('ids and states', () => {
    expect(shortId('sha256:0123456789abcdef')).toBe('0123456789ab');
    expect(capitalized('running')).toBe('Running');
  });
});
