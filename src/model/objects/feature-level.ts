// Feature levels: what all managers of a cluster are known to read and apply. The cluster object holds
// the level in force and each entry of the log the one that it was written under, so that `apply` does
// the same on every manager whatever its build. A level is raised by the leader once the builds of all
// managers know it (manager/feature-level-loop.ts), and never lowered.
//
// 0  before there were levels
// 1  entries and statuses are checked before they are written; objects carry `specIndex`; the first end
//    that an agent reports of a task is the last

/** Highest level that this build knows. */
export const FEATURE_LEVEL = 1;

/** Why a build that knows levels up to `known` can't be in a cluster at `level`; undefined: it can. */
export function levelProblem(
  level: number,
  known: number,
  versions: { readonly cluster: string; readonly node: string },
): string | undefined {
  if (known >= level) return undefined;
  return (
    `the cluster is at feature level ${level} (its managers run ${versions.cluster}), and the node ` +
    `runs ${versions.node}, which knows levels up to ${known}: install ${versions.cluster} or newer on it`
  );
}
