// All promises that are watched while a group runs.
import { Commits } from './commits.ts';
import { Durability } from './durability.ts';
import { ElectionSafety } from './election-safety.ts';
import { LeaderAppendOnly } from './leader-append-only.ts';
import { LogMatching } from './log-matching.ts';
import { StateMachineSafety } from './state-machine-safety.ts';

export { LogView } from './log-view.ts';
export { checkHistory, checkReadIndex } from './reads.ts';

/** The checkers of one group. */
export class Checkers {
  readonly elections = new ElectionSafety();
  readonly leaderLog = new LeaderAppendOnly();
  readonly logs = new LogMatching();
  readonly commits = new Commits();
  readonly machines = new StateMachineSafety();
  readonly durability = new Durability();
}
