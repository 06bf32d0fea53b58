// Tables, templates and texts of the CLI.
export { type Column, type ListOptions, type Row, formatList } from './table.ts';
export { fillTemplate } from './template.ts';
export { ago, capitalized, memoryText, shortId, sizeText } from './text.ts';
