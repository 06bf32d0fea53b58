// Replays all scripts of a directory; its name tells their language.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { confChangeRunner } from './commands/conf-change-commands.ts';
import { interactionRunner } from './commands/interaction-commands.ts';
import { runQuorumCommand } from './commands/quorum-commands.ts';
import { replay, type Command, type Difference } from './datadriven.ts';

/** The outcome of one script. */
export interface ScriptResult {
  readonly file: string;
  readonly commands: number;
  readonly differences: readonly Difference[];
  /** Why the script could not be replayed to its end: file, line and reason. */
  readonly error: string | undefined;
}

/** Replays `interaction`, `confchange` or `quorum`, or a directory that contains those. */
export function replayDirectory(directory: string): ScriptResult[] {
  const names = readdirSync(directory, { withFileTypes: true });
  const results: ScriptResult[] = [];
  for (const entry of names.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) results.push(...replayDirectory(path));
    else if (entry.name.endsWith('.txt')) results.push(replayFile(path, basename(directory)));
  }
  return results;
}

function replayFile(path: string, language: string): ScriptResult {
  try {
    const result = replay(path, readFileSync(path, 'utf8'), runnerOf(language));
    return { file: path, ...result, error: undefined };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { file: path, commands: 0, differences: [], error: message };
  }
}

function runnerOf(language: string): (command: Command) => string {
  if (language === 'confchange') return confChangeRunner();
  if (language === 'quorum') return runQuorumCommand;
  return interactionRunner();
}
