// The project's own rules, as far as a machine can check them: who may import whom, which folders touch
// the outside world, how long files are. The tables here are the rules; ARCHITECTURE.md explains them.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Folder → folders whose index (or listed files) it may import. Longest match wins. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'raft-ts/src': [],
  'sim/src': [],
  'src/base': [],
  'src/model': ['src/base'],
  'src/scheduler': ['src/model', 'src/base'],
  'src/overlay': ['src/model', 'src/base'],
  'src/worker': ['src/model', 'src/base', 'src/overlay'],
  'src/worker/standalone': ['src/worker', 'src/model', 'src/base'],
  'src/worker/images': ['src/base'],
  'src/worker/volumes': ['src/model', 'src/base'],
  'src/worker/containerd': [
    'src/worker',
    'src/worker/images',
    'src/worker/volumes',
    'src/model',
    'src/base',
  ],
  'src/manager/store': ['src/model', 'src/base'],
  'src/manager/control': ['src/manager/store', 'src/model', 'src/base'],
  'src/manager/orchestrator': ['src/manager', 'src/manager/store', 'src/model', 'src/base'],
  'src/manager/allocator': ['src/manager', 'src/manager/store', 'src/model', 'src/base'],
  'src/manager/placement': [
    'src/manager',
    'src/manager/store',
    'src/scheduler',
    'src/model',
    'src/base',
  ],
  'src/manager/dispatcher': ['src/manager', 'src/manager/store', 'src/model', 'src/base'],
  'src/manager/ca': ['src/manager/store', 'src/model', 'src/base'],
  'src/manager/raft': ['raft-ts', 'src/base', 'src/platform'],
  'src/manager': [
    'src/manager/store',
    'src/manager/control',
    'src/manager/orchestrator',
    'src/manager/allocator',
    'src/manager/placement',
    'src/manager/dispatcher',
    'src/manager/ca',
    'src/manager/raft',
    'src/model',
    'src/base',
  ],
  'src/engine-api': ['src/manager', 'src/model', 'src/base'],
  'src/cli': ['src/model', 'src/base'],
  'src/lab': ['src/cli', 'src/base'],
  'src/platform': ['src/base', 'src/overlay'],
};

/** Single files that others may import without the index, with the reason. */
const OPEN_FILES: Readonly<Record<string, string>> = {
  'src/manager/control-loop.ts': 'the contract of all loops; the index would be a cycle',
  'src/manager/leader-methods.ts': 'types that dispatcher and leader share',
  'src/manager/raft/consensus.ts': 'the contract alone, without the thread behind it',
  'src/worker/executor.ts': 'the contract alone, without the agent',
  'src/worker/container-runtime.ts': 'likewise, for users’ containers',
};

/** Programs of their own: they put parts together, as the daemon does. */
const PROGRAMS = ['src/overlay/resolver-main.ts'];

/** Folders that may use Node's modules and the clock directly. */
const OUTSIDE = [
  'src/platform',
  'src/daemon',
  'src/cli',
  'src/lab',
  'src/worker/containerd',
  'src/engine-api',
];
const OUTSIDE_FILES = [
  'src/overlay/resolver-main.ts',
  'src/manager/raft/raft-thread.ts',
  'src/manager/raft/start-consensus.ts',
];

const LINES_MAX = 400;

function sources(directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter(
      (name) =>
        name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.includes('node_modules'),
    )
    .map((name) => join(directory, name));
}

const files = [...sources('src'), ...sources('raft-ts/src'), ...sources('sim/src')];
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

function importsOf(file: string): string[] {
  return [
    ...read(file).matchAll(
      /^(?:import|export)[^'";]*?from '([^']+)'|^import '([^']+)'|import\('([^']+)'\)/gm,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

function folderOf(file: string): string {
  const folders = [...Object.keys(MAY_IMPORT), 'src/daemon'].sort((a, b) => b.length - a.length);
  return folders.find((folder) => file.startsWith(`${folder}/`)) ?? '';
}

describe('imports', () => {
  it('go one way, and through the index of another folder', () => {
    const problems: string[] = [];
    for (const file of files) {
      const folder = folderOf(file);
      if (folder === 'src/daemon' || PROGRAMS.includes(file)) continue;
      for (const name of importsOf(file)) {
        if (name === 'raft-ts' && !(MAY_IMPORT[folder] ?? []).includes('raft-ts')) {
          problems.push(`${file} imports raft-ts`);
        }
        if (!name.startsWith('.')) continue;
        const target = relative(root, resolve(root, dirname(file), name));
        const other = folderOf(target);
        if (other === folder) continue;
        if (
          target in OPEN_FILES &&
          (MAY_IMPORT[folder] ?? []).concat('src/overlay').includes(other)
        )
          continue;
        if (!(MAY_IMPORT[folder] ?? []).includes(other)) problems.push(`${file} imports ${target}`);
      }
    }
    expect(problems).toEqual([]);
  });

  it('of the daemon are nobody else’s', () => {
    const users = files.filter(
      (file) =>
        !file.startsWith('src/daemon/') &&
        importsOf(file).some((name) => name.includes('/daemon/')),
    );
    expect(users).toEqual([]);
  });
});

describe('the outside world', () => {
  const inside = files.filter(
    (file) =>
      !OUTSIDE.some((folder) => file.startsWith(`${folder}/`)) && !OUTSIDE_FILES.includes(file),
  );

  it('is reached through the ports only: no clock, timer or randomness of Node elsewhere', () => {
    const banned =
      /\b(?:Date\.now|new Date\(\)|setTimeout|setInterval|Math\.random|crypto\.random\w+|process\.env)\b/;
    const problems = inside.filter((file) => banned.test(stripComments(read(file))));
    expect(problems).toEqual([]);
  });

  it('is not imported by what is pure', () => {
    const pure = ['src/base/', 'src/model/', 'src/scheduler/', 'raft-ts/src/'];
    const problems = inside.filter(
      (file) =>
        pure.some((folder) => file.startsWith(folder)) &&
        importsOf(file).some((name) => name.startsWith('node:')),
    );
    expect(problems).toEqual([]);
  });
});

describe('what comes from outside', () => {
  /** The one that parses, and what stands in the simulation's own memory. */
  const PARSERS = ['src/base/json.ts', 'src/manager/raft/simulated-hosts.ts'];

  it('is parsed in one place, with bounds, and decoded by a schema', () => {
    const parse = /\bJSON\s*\.\s*parse\b|\.json\(\)\s*(?:\)\s*)?as\b|parseJson\([^;]*?\)\s+as\b/;
    const problems = files
      .filter((file) => file.startsWith('src/') || file.startsWith('raft-ts/'))
      .filter((file) => !PARSERS.includes(file) && parse.test(stripComments(read(file))));
    expect(problems).toEqual([]);
  });
});

describe('files', () => {
  it('open with a comment that says what they are for', () => {
    expect(files.filter((file) => !/^(?:\/\/|#!)/.test(read(file)))).toEqual([]);
  });

  it(`have at most ${LINES_MAX} lines`, () => {
    const long = files.filter((file) => read(file).split('\n').length > LINES_MAX + 1);
    expect(long).toEqual([]);
  });

  it('hold nothing unfinished', () => {
    const marks = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|'));
    expect(files.filter((file) => marks.test(read(file)))).toEqual([]);
  });
});

function stripComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/\/\/.*$/gm, '');
}
