// The project's own rules, as far as a machine can check them: who may import whom, which folders touch
// the outside world, how long files are. The tables here are the rules; ARCHITECTURE.md explains them.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Room (folder) → rooms that it may import, from the lowest up. Nobody may import what stands below. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'src/base/collections': [],
  'src/base': ['src/base/collections'],
  'src/lab': ['src/base'],
  'src/base/async': ['src/base'],
  'src/model/addresses': ['src/base'],
  'src/model/spec': ['src/base'],
  'src/model/objects': ['src/base', 'src/model/addresses', 'src/model/spec'],
  'src/model/protocol': ['src/base', 'src/model/addresses', 'src/model/objects', 'src/model/spec'],
  'src/model/templates': ['src/base', 'src/model/objects', 'src/model/spec'],
  'src/model/validate': [
    'src/base',
    'src/model/addresses',
    'src/model/objects',
    'src/model/spec',
    'src/model/templates',
  ],
  'src/model': [
    'src/model/addresses',
    'src/model/objects',
    'src/model/protocol',
    'src/model/spec',
    'src/model/templates',
    'src/model/validate',
  ],
  'src/manager/store': ['src/base', 'src/model'],
  'src/manager/queries': ['src/base', 'src/manager/store', 'src/model'],
  'src/manager/control': [
    'src/base',
    'src/base/async',
    'src/manager/queries',
    'src/manager/store',
    'src/model',
  ],
  'src/manager/access': ['src/base', 'src/manager/control'],
  'src/manager/loops': ['src/base', 'src/manager/store', 'src/model'],
  'src/manager/allocator': ['src/base', 'src/manager/loops', 'src/manager/store', 'src/model'],
  'src/manager/ca': ['src/base', 'src/manager/queries', 'src/manager/store', 'src/model'],
  'src/manager/dispatcher/sets': ['src/manager/store', 'src/model'],
  'src/manager/dispatcher/drains': [
    'src/base',
    'src/manager/dispatcher/sets',
    'src/manager/store',
    'src/model',
  ],
  'src/manager/dispatcher/flow': ['src/base'],
  'src/manager/methods': [
    'src/base',
    'src/manager/access',
    'src/manager/ca',
    'src/manager/control',
    'src/model',
  ],
  'src/manager/dispatcher': [
    'src/base',
    'src/manager/dispatcher/drains',
    'src/manager/dispatcher/flow',
    'src/manager/dispatcher/sets',
    'src/manager/methods',
    'src/manager/store',
    'src/model',
  ],
  'src/manager/orchestrator/slots': ['src/base', 'src/model'],
  'src/manager/orchestrator/modes': ['src/base', 'src/manager/orchestrator/slots', 'src/model'],
  'src/manager/orchestrator': [
    'src/base',
    'src/manager/loops',
    'src/manager/orchestrator/modes',
    'src/manager/orchestrator/slots',
    'src/manager/store',
    'src/model',
  ],
  'src/scheduler': ['src/base', 'src/model'],
  'src/manager/placement': ['src/manager/loops', 'src/manager/store', 'src/model', 'src/scheduler'],
  'src/manager/raft/contract': ['raft-ts', 'src/base'],
  'src/manager/raft/wire': ['raft-ts', 'src/base', 'src/manager/raft/contract'],
  'src/manager/raft/log': [
    'raft-ts',
    'src/base',
    'src/manager/raft/contract',
    'src/manager/raft/wire',
  ],
  'src/manager/raft/host': [
    'raft-ts',
    'src/base',
    'src/manager/raft/contract',
    'src/manager/raft/log',
    'src/manager/raft/wire',
  ],
  'src/overlay/nft': ['src/base'],
  'src/overlay/kernel': ['src/base', 'src/model', 'src/overlay/nft'],
  'src/platform/system': ['src/base', 'src/base/async', 'src/overlay/kernel'],
  'src/platform/netlink': ['src/base', 'src/model', 'src/overlay/kernel', 'src/platform/system'],
  'src/platform/rpc': ['src/base'],
  'src/resolver/protocol': ['src/base'],
  'src/resolver/dns': ['src/base', 'src/model', 'src/resolver/protocol'],
  'src/resolver': ['src/base', 'src/platform/system', 'src/resolver/dns', 'src/resolver/protocol'],
  'src/platform': [
    'src/platform/netlink',
    'src/platform/rpc',
    'src/platform/system',
    'src/resolver',
  ],
  'src/manager/raft/thread': [
    'src/base',
    'src/manager/raft/contract',
    'src/manager/raft/host',
    'src/manager/raft/wire',
    'src/platform',
  ],
  'src/manager/raft': [
    'src/manager/raft/contract',
    'src/manager/raft/host',
    'src/manager/raft/thread',
  ],
  'src/manager/tracing': ['src/base', 'src/manager/dispatcher', 'src/manager/store', 'src/model'],
  'src/manager': [
    'src/base',
    'src/base/async',
    'src/manager/access',
    'src/manager/allocator',
    'src/manager/ca',
    'src/manager/control',
    'src/manager/dispatcher',
    'src/manager/loops',
    'src/manager/methods',
    'src/manager/orchestrator',
    'src/manager/placement',
    'src/manager/queries',
    'src/manager/raft',
    'src/manager/raft/contract',
    'src/manager/raft/host',
    'src/manager/store',
    'src/manager/tracing',
    'src/model',
  ],
  'src/overlay/addressing': ['src/base', 'src/model', 'src/overlay/kernel'],
  'src/overlay/contract': ['src/model'],
  'src/overlay/tunnels': [
    'src/base',
    'src/model',
    'src/overlay/addressing',
    'src/overlay/contract',
    'src/overlay/kernel',
    'src/overlay/nft',
  ],
  'src/overlay/desired': [
    'src/base',
    'src/model',
    'src/overlay/addressing',
    'src/overlay/contract',
    'src/overlay/kernel',
    'src/overlay/nft',
    'src/overlay/tunnels',
  ],
  'src/overlay/firewalls': ['src/base', 'src/overlay/desired', 'src/overlay/kernel'],
  'src/overlay/names': [
    'src/base',
    'src/model',
    'src/overlay/addressing',
    'src/overlay/desired',
    'src/resolver/protocol',
  ],
  'src/overlay/reconcile': [
    'src/base',
    'src/overlay/contract',
    'src/overlay/desired',
    'src/overlay/kernel',
    'src/overlay/nft',
  ],
  'src/overlay/trace': [
    'src/base',
    'src/model',
    'src/overlay/addressing',
    'src/overlay/contract',
    'src/overlay/desired',
    'src/overlay/firewalls',
    'src/overlay/kernel',
    'src/overlay/reconcile',
  ],
  'src/overlay': [
    'src/base',
    'src/base/async',
    'src/model',
    'src/overlay/addressing',
    'src/overlay/contract',
    'src/overlay/desired',
    'src/overlay/firewalls',
    'src/overlay/kernel',
    'src/overlay/names',
    'src/overlay/reconcile',
    'src/overlay/trace',
    'src/overlay/tunnels',
    'src/resolver/dns',
    'src/resolver/protocol',
  ],
  'src/worker/runtime': ['src/model'],
  'src/worker': ['src/base', 'src/base/async', 'src/model', 'src/overlay', 'src/worker/runtime'],
  'src/worker/images': ['src/base', 'src/base/async'],
  'src/worker/containerd': ['src/base', 'src/worker/images'],
  bench: [
    'src/base',
    'src/lab',
    'src/manager',
    'src/manager/dispatcher',
    'src/manager/raft',
    'src/manager/store',
    'src/model',
    'src/overlay',
    'src/platform',
    'src/worker',
    'src/worker/containerd',
  ],
  'raft-ts/src': [],
  'sim/src': [],
  'src/cli/client': ['src/base'],
  'src/cli/compose/source': [],
  'src/cli/notation': ['src/cli/client', 'src/model'],
  'src/cli/compose/convert': [
    'src/cli/client',
    'src/cli/compose/source',
    'src/cli/notation',
    'src/model',
  ],
  'src/cli/compose/schema': ['src/cli/compose/source'],
  'src/cli/compose/load': ['src/cli/compose/schema', 'src/cli/compose/source', 'src/cli/notation'],
  'src/cli/compose/plan': ['src/cli/client', 'src/cli/compose/convert'],
  'src/cli/compose': [
    'src/cli/compose/convert',
    'src/cli/compose/load',
    'src/cli/compose/plan',
    'src/cli/compose/source',
  ],
  'src/cli/format': [],
  'src/cli/watch': ['src/cli/client', 'src/cli/format', 'src/cli/notation'],
  'src/cli/commands': [
    'src/base',
    'src/cli/client',
    'src/cli/compose',
    'src/cli/compose/convert',
    'src/cli/format',
    'src/cli/notation',
    'src/cli/watch',
    'src/model',
  ],
  'src/cli': ['src/cli/client', 'src/cli/commands'],
  'src/daemon/config': ['src/base', 'src/platform'],
  'src/worker/health': ['src/base', 'src/model'],
  'src/worker/oci': ['src/base', 'src/model', 'src/worker/containerd', 'src/worker/images'],
  'src/worker/host': ['src/base', 'src/model', 'src/worker/images', 'src/worker/oci'],
  'src/worker/logs': ['src/base', 'src/worker/containerd', 'src/worker/runtime'],
  'src/worker/rootfs': ['src/base', 'src/worker/containerd', 'src/worker/oci'],
  'src/worker/volumes': [
    'src/base',
    'src/base/async',
    'src/model',
    'src/worker/host',
    'src/worker/rootfs',
  ],
  'src/worker/tasks': [
    'src/base',
    'src/base/async',
    'src/model',
    'src/worker/containerd',
    'src/worker/health',
    'src/worker/host',
    'src/worker/images',
    'src/worker/logs',
    'src/worker/oci',
    'src/worker/rootfs',
    'src/worker/runtime',
    'src/worker/volumes',
  ],
  'src/daemon/services': [
    'src/base',
    'src/base/async',
    'src/manager',
    'src/model',
    'src/platform',
    'src/worker',
    'src/worker/tasks',
  ],
  'src/engine-api/backend': ['src/manager', 'src/model'],
  'src/engine-api/http': ['src/base', 'src/engine-api/backend', 'src/manager'],
  'src/engine-api/convert': ['src/base', 'src/engine-api/http', 'src/manager', 'src/model'],
  'src/engine-api/metrics': ['src/engine-api/backend', 'src/manager', 'src/model'],
  'src/engine-api/requests': [
    'src/base',
    'src/engine-api/backend',
    'src/engine-api/convert',
    'src/engine-api/http',
    'src/model',
  ],
  'src/engine-api/streams': [
    'src/base',
    'src/engine-api/backend',
    'src/engine-api/http',
    'src/engine-api/requests',
    'src/model',
  ],
  'src/engine-api/routes': [
    'src/base',
    'src/base/async',
    'src/engine-api/backend',
    'src/engine-api/convert',
    'src/engine-api/http',
    'src/engine-api/metrics',
    'src/engine-api/requests',
    'src/engine-api/streams',
    'src/manager',
    'src/model',
  ],
  'src/engine-api': [
    'src/base',
    'src/engine-api/backend',
    'src/engine-api/http',
    'src/engine-api/routes',
    'src/manager',
  ],
  'src/daemon/membership': [
    'src/base',
    'src/base/async',
    'src/daemon/config',
    'src/daemon/services',
    'src/engine-api',
    'src/manager',
    'src/model',
    'src/platform',
  ],
  'src/worker/standalone': ['src/base', 'src/base/async', 'src/model', 'src/worker/runtime'],
  'src/daemon': [
    'src/base',
    'src/daemon/config',
    'src/daemon/membership',
    'src/daemon/services',
    'src/engine-api',
    'src/manager',
    'src/model',
    'src/overlay',
    'src/platform',
    'src/worker',
    'src/worker/runtime',
    'src/worker/standalone',
    'src/worker/tasks',
  ],
};

/** Folders that may use Node's modules and the clock directly. */
const OUTSIDE = [
  'src/platform',
  'src/resolver',
  'src/daemon',
  'src/cli',
  'src/lab',
  'src/worker/containerd',
  'src/worker/host',
  'src/worker/logs',
  'src/worker/rootfs',
  'src/worker/tasks',
  'src/worker/volumes',
  'src/engine-api',
  'src/manager/raft/thread',
  'bench',
];

const LINES_MAX = 400;
const FILES_MAX = 20;

function sources(directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter(
      (name) =>
        name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.includes('node_modules'),
    )
    .map((name) => join(directory, name));
}

const files = [
  ...sources('src'),
  ...sources('raft-ts/src'),
  ...sources('sim/src'),
  ...sources('bench'),
];
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

function importsOf(file: string): string[] {
  return [
    ...read(file).matchAll(
      /^(?:import|export)[^'";]*?from '([^']+)'|^import '([^']+)'|import\('([^']+)'\)/gm,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

/** What a file imports of our own: paths below the root, or a package's name. */
function ownImportsOf(file: string): string[] {
  const own = importsOf(file).filter((name) => /^(?:\.|raft-ts$|sim$)/.test(name));
  return own.map((name) =>
    name.startsWith('.') ? relative(root, resolve(root, dirname(file), name)) : name,
  );
}

const roomOf = (path: string): string => (path.includes('/') ? dirname(path) : path);

describe('rooms', () => {
  it('import those that the table gives them, and no others', () => {
    const found: Record<string, string[]> = {};
    for (const file of files) {
      const imported = (found[dirname(file)] ??= []);
      const rooms = ownImportsOf(file).map(roomOf);
      imported.push(...rooms.filter((room) => room !== dirname(file) && !/^test\b/.test(room)));
    }
    for (const [room, rooms] of Object.entries(found)) found[room] = [...new Set(rooms)].sort();
    expect(found).toEqual(MAY_IMPORT);
  });

  it('are entered through their index', () => {
    const problems = files.flatMap((file) =>
      ownImportsOf(file)
        .filter((target) => /^(?:src|bench)\//.test(target) && dirname(target) !== dirname(file))
        .filter((target) => !target.endsWith('/index.ts'))
        .map((target) => `${file} imports ${target}`),
    );
    expect(problems).toEqual([]);
  });

  it('import only what stands above them in the table: no circles', () => {
    const rooms = Object.keys(MAY_IMPORT);
    const problems = rooms.flatMap((room, at) =>
      (MAY_IMPORT[room] ?? [])
        .filter((other) => rooms.indexOf(other) >= at)
        .map((other) => `${room} imports ${other}`),
    );
    expect(problems).toEqual([]);
  });
});

describe('files', () => {
  it('import each other without circles', () => {
    const imports = new Map(files.map((file) => [file, ownImportsOf(file)]));
    const done = new Set<string>();
    const problems: string[] = [];
    const walk = (file: string, way: readonly string[]): void => {
      if (way.includes(file)) problems.push([...way.slice(way.indexOf(file)), file].join(' → '));
      if (done.has(file) || way.includes(file)) return;
      for (const next of imports.get(file) ?? []) walk(next, [...way, file]);
      done.add(file);
    };
    for (const file of files) walk(file, []);
    expect(problems).toEqual([]);
  });

  it(`are at most ${FILES_MAX} in a folder of src`, () => {
    const counts = new Map<string, number>();
    const all = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
    for (const name of all.filter((path) => path.endsWith('.ts'))) {
      counts.set(dirname(name), (counts.get(dirname(name)) ?? 0) + 1);
    }
    expect([...counts].filter(([, count]) => count > FILES_MAX)).toEqual([]);
  });
});

describe('the outside world', () => {
  const inside = files.filter((file) => !OUTSIDE.some((folder) => file.startsWith(`${folder}/`)));

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
  /** The one that parses. */
  const PARSERS = ['src/base/json.ts'];

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

  it(`have at most ${LINES_MAX} lines below their imports`, () => {
    const imports = /^(?:import|export)\b[^'";]*?from '[^']+';\n/gm;
    const long = files.filter(
      (file) => read(file).replaceAll(imports, '').split('\n').length > LINES_MAX + 1,
    );
    expect(long).toEqual([]);
  });

  it('say of each export what it is, where others build on it', () => {
    const documented = ['src/model/', 'src/scheduler/', 'src/manager/', 'src/engine-api/backend/'];
    const declared =
      /^export (?:abstract )?(?:async )?(?:function\*?|class|const|type|interface) (\w+)/;
    const bare = files
      .filter((file) => documented.some((folder) => file.startsWith(folder)))
      .flatMap((file) => {
        const lines = read(file).split('\n');
        const isBare = (at: number): boolean => lines[at - 1]?.trim().endsWith('*/') !== true;
        return lines.flatMap((line, at) => {
          const name = declared.exec(line)?.[1];
          return name !== undefined && isBare(at) ? [`${file} ${name}`] : [];
        });
      });
    expect(bare).toEqual([]);
  });

  it('hold nothing unfinished', () => {
    const marks = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|'));
    expect(files.filter((file) => marks.test(read(file)))).toEqual([]);
  });
});

function stripComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/\/\/.*$/gm, '');
}
