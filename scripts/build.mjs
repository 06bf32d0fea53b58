// Builds dist/: the daemon with its Raft thread and resolver, the CLI, and the lab. Our own sources are
// bundled, packages are not (the CLI apart, which has to start fast).
import { build } from 'esbuild';

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  conditions: ['source'],
  sourcemap: true,
  logLevel: 'warning',
};

/** Packages stay outside, but raft-ts is ours. */
const external = {
  name: 'external-packages',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === 'entry-point' || path === 'raft-ts' ? undefined : { path, external: true },
    );
  },
};

const entries = {
  tsswarmd: 'src/daemon/main.ts',
  'raft-thread': 'src/manager/raft/thread/raft-thread.ts',
  resolver: 'src/resolver/resolver-main.ts',
  lab: 'src/lab/main.ts',
  demo: 'src/lab/demo.ts',
  'demo-image': 'scripts/demo-image.ts',
};

await build({
  ...common,
  entryPoints: entries,
  outdir: 'dist',
  format: 'esm',
  plugins: [external],
});
/** The stack commands' YAML and schemas are a file of their own: the CLI's other commands start faster. */
const stackApart = {
  name: 'stack-apart',
  setup({ onResolve }) {
    onResolve({ filter: /stack-deploy\.ts$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: './tsswarm-stack.cjs', external: true } : undefined,
    );
  },
};

await build({
  ...common,
  entryPoints: { tsswarm: 'src/cli/main.ts', 'tsswarm-stack': 'src/cli/commands/stack-deploy.ts' },
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  format: 'cjs',
  minify: true,
  sourcemap: false,
  plugins: [stackApart],
});
