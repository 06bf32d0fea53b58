// Lists in Docker's way: a table with fixed columns, only ids with -q, or one line per object by
// --format (a Go template, "table …" or "json").
import { fillTemplate } from './template.ts';

/** A row: the fields that templates may name. */
export type Row = Readonly<Record<string, string>>;

export interface ListOptions {
  readonly quiet?: boolean | undefined;
  readonly format?: string | undefined;
}

export interface Column {
  readonly header: string;
  readonly field: string;
}

/** The whole text with its final newline; empty when there is nothing to print. */
export function formatList(
  rows: readonly Row[],
  columns: readonly Column[],
  options: ListOptions,
  idField = 'ID',
): string {
  const { format } = options;
  if (options.quiet === true && format === undefined) {
    return lines(rows.map((row) => row[idField] ?? ''));
  }
  if (format === undefined || format === 'table') return table(rows, columns);
  if (format === 'json') return lines(rows.map((row) => JSON.stringify(row)));
  if (format.startsWith('table '))
    return tableByTemplate(rows, columns, format.slice('table '.length));
  return lines(rows.map((row) => fillTemplate(format, row)));
}

const lines = (texts: readonly string[]): string => texts.map((one) => `${one}\n`).join('');

function table(rows: readonly Row[], columns: readonly Column[]): string {
  const cells = [
    columns.map((c) => c.header),
    ...rows.map((row) => columns.map((c) => row[c.field] ?? '')),
  ];
  return align(cells);
}

function tableByTemplate(
  rows: readonly Row[],
  columns: readonly Column[],
  template: string,
): string {
  const headers = Object.fromEntries(columns.map((column) => [column.field, column.header]));
  const cells = [headers, ...rows].map((row) => fillTemplate(template, row).split('\t'));
  return align(cells);
}

/** Columns as wide as their widest cell and three spaces apart, but for the last. */
function align(cells: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of cells) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return lines(
    cells.map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd((widths[i] ?? 0) + 3)))
        .join('')
        .trimEnd(),
    ),
  );
}
