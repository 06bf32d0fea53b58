// Makes the image of stacks/ from the static program: `demo-image.js PROGRAM ARCHIVE`.
import { readFile, writeFile } from 'node:fs/promises';
import { imageArchive } from '../test/builders/image-archive.ts';

const [program = '', archive = ''] = process.argv.slice(2);
const content = await readFile(program);
await writeFile(
  archive,
  await imageArchive({
    names: ['tsswarm-demo:1', 'tsswarm-demo:2'],
    files: [{ path: '/demo', content, mode: 0o755 }],
    entrypoint: ['/demo'],
    env: ['PATH=/'],
  }),
);
