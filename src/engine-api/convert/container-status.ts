// What a container does, in the words of `docker ps`. Pure.
import type { ContainerDescription } from '../../model/index.ts';

/** "Up 5 minutes (healthy)", "Exited (0) 3 seconds ago", … */
export function statusText(container: ContainerDescription, now: number): string {
  const { state, startedAt, finishedAt, exitCode, health } = container;
  const since = (time: number | undefined): string => humanDuration(now - (time ?? now));
  // As in Docker, one whose start failed has not been anything else.
  const never = state === 'exited' && startedAt === undefined;
  if (state === 'created' || never) return 'Created';
  if (state === 'exited') return `Exited (${exitCode}) ${since(finishedAt)} ago`;
  if (state === 'restarting') return `Restarting (${exitCode}) ${since(finishedAt)} ago`;
  const up = `Up ${since(startedAt)}`;
  if (health === undefined) return up;
  return `${up} (${health === 'starting' ? 'health: starting' : health})`;
}

/** The rounding and the words of Docker's go-units. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(ms / 3_600_000 + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const days = Math.trunc(hours / 24);
  if (days < 14) return `${days} days`;
  if (hours < 24 * 60) return `${Math.trunc(days / 7)} weeks`;
  if (hours < 24 * 730) return `${Math.trunc(days / 30)} months`;
  return `${Math.trunc(Math.trunc(ms / 3_600_000) / 24 / 365)} years`;
}
