// Writes docs/cli.md from what the built CLI says of itself: `node scripts/cli-docs.mjs`. With --check it
// only compares, and fails when the page is stale.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const page = join(root, 'docs', 'cli.md');

const INTRODUCTION = `# Command line

\`tsswarm\` speaks only Docker's Engine API, so everything here can be done with the stock \`docker\` CLI
or any other client as well. This page is made from the commands' own \`--help\` by
\`node scripts/cli-docs.mjs\`.

- **Which daemon?** \`-H\`, else \`TSSWARM_HOST\`, else \`DOCKER_HOST\`, else \`unix:///run/tsswarm.sock\`.
  \`tcp://host:port\` is spoken without TLS: the daemon itself listens on unix sockets only.
- **Exit status** is 0 on success and 1 for everything else; errors go to standard error.
- **Waiting.** \`service create|update|scale|rollback\` and \`stack deploy\` show progress until the service
  has converged, \`stack rm\` until tasks and networks are gone. \`-d\` returns at once.
- **\`--format\`** takes \`json\`, \`table TEMPLATE\` or a template such as \`{{.Name}} {{.Image}}\`.
- **Durations** are written 300ms, 10s, 1m30s, 2h; **sizes** 64M, 1.5g (powers of 1024).
- Names, ids and unambiguous beginnings of ids are taken wherever an object is asked for; nodes go by
  their host name or \`self\` too.
- \`tsswarm lab\` is described in [lab.md](lab.md), the daemon's options in [daemon.md](daemon.md).
`;

/** Help as it is printed when nobody's terminal decides the width. */
function help(path) {
  const args = [join(root, 'dist', 'tsswarm.cjs'), ...path, '--help'];
  return execFileSync(process.execPath, args, { encoding: 'utf8' }).trimEnd();
}

/** Names of the subcommands that a help text lists. */
function subcommands(text) {
  const [, list = ''] = text.split('\nCommands:\n');
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map((match) => match[1]);
}

function* sections(path) {
  const text = help(path);
  const name = ['tsswarm', ...path].join(' ');
  yield `${'#'.repeat(Math.min(path.length, 2) + 2)} ${name}\n\n\`\`\`\n${text}\n\`\`\`\n`;
  for (const sub of subcommands(text)) {
    if (sub === 'help' || sub === 'lab') continue;
    yield* sections([...path, sub]);
  }
}

const content = [INTRODUCTION, ...sections([])].join('\n');
if (!process.argv.includes('--check')) writeFileSync(page, content);
else if (readFileSync(page, 'utf8') !== content) {
  process.stderr.write('docs/cli.md is stale: node scripts/cli-docs.mjs\n');
  process.exit(1);
}
