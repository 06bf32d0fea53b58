// Replays scripts from the command line: `npm run conformance -- DIR…` prints one line a script and
// every difference; exits with 1 if there is any. Without DIR it takes this package's own testdata.
import { replayDirectory } from './replay-directory.ts';

const directories = process.argv.slice(2);
const own = new URL('testdata', import.meta.url).pathname;
let failed = 0;
let scripts = 0;
for (const directory of directories.length === 0 ? [own] : directories) {
  for (const { file, commands, differences, error } of replayDirectory(directory)) {
    scripts++;
    if (error !== undefined) {
      failed++;
      console.log(error);
      continue;
    }
    if (differences.length > 0) failed++;
    const verdict = differences.length === 0 ? 'ok' : `${differences.length} differences`;
    console.log(`${file}: ${commands} commands, ${verdict}`);
    for (const { line, expected, actual } of differences) {
      console.log(`${file}:${line}\n--- expected\n${expected}\n--- actual\n${actual}\n`);
    }
  }
}
console.log(`${scripts - failed} of ${scripts} scripts agree`);
if (failed > 0 || scripts === 0) process.exitCode = 1;
