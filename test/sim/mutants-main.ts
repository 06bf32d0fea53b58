// npm run sim:mutants: for every deliberate fault, in how many seeds the simulation finds it, and by
// which checker. Ends with 1 when one is not found.
//   npm run sim:mutants -- [NAME…] [--size raft|hosts|cluster]
import { parseArgs } from 'node:util';
import { bundleSimulation } from './bundle.ts';
import { hunt, type Hunt } from './hunt.ts';
import { mutants } from './mutants/index.ts';
import { parseSize } from './sizes.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { size: { type: 'string' } },
});
const size = values.size === undefined ? undefined : parseSize(values.size);
const unknown = positionals.filter((name) => !mutants.some((mutant) => mutant.name === name));
if (unknown.length > 0 || (values.size !== undefined && size === undefined)) {
  process.stderr.write(`not known: ${[...unknown, values.size ?? ''].join(' ')}\n`);
  process.exit(2);
}
const chosen = mutants.filter(
  (mutant) =>
    (positionals.length === 0 || positionals.includes(mutant.name)) &&
    (size === undefined || mutant.size === size),
);

const columns = [7, 44, 16, 11, 8];
function row(...cells: string[]): void {
  const line = cells.map((cell, i) => cell.padEnd(columns[i] ?? 0)).join(' ');
  process.stdout.write(`${line.trimEnd()}\n`);
}

function tell(found: Hunt, name: string, sizeName: string): void {
  const checkers = [...found.checkers].sort((a, b) => b[1] - a[1]);
  row(
    sizeName,
    name,
    `${found.found} of ${found.seeds}`,
    found.firstSeed === undefined ? 'NOT FOUND' : `seed ${found.firstSeed}`,
    `${(found.milliseconds / 1000).toFixed(0)} s`,
    checkers.map(([checker, times]) => `${checker} ${times}`).join(', '),
  );
}

row('size', 'mutant', 'found in seeds', 'first', 'time', 'by checkers (seeds)');
let missed = 0;
const startedAt = Date.now();
for (const mutant of chosen) {
  const bundle = await bundleSimulation(mutant.size, mutant);
  try {
    const found = await hunt(bundle, mutant.size);
    if (found.found === 0) missed++;
    tell(found, mutant.name, mutant.size);
  } finally {
    await bundle.remove();
  }
}
process.stdout.write(
  `${chosen.length - missed} of ${chosen.length} mutants found in ` +
    `${((Date.now() - startedAt) / 1000).toFixed(0)} s\n`,
);
process.exitCode = missed === 0 ? 0 : 1;
