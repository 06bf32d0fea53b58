// "It is not there" and "it could not be looked at" are two things. Only the first may be taken for an
// answer; what follows from it (a new key, a volume that nobody uses) must not follow from the second.
import { SwarmError } from './errors.ts';

/** What the system answers for a file, or a process below /proc, that does not exist. */
const ABSENT_CODES = ['ENOENT', 'ESRCH'];

/** True when the error says that the thing is not there; `more`: further codes that say so here. */
export function isAbsent(error: unknown, ...more: readonly string[]): boolean {
  if (error instanceof SwarmError) return error.code === 'notFound';
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string')
    return false;
  return ABSENT_CODES.includes(error.code) || more.includes(error.code);
}

/** The result, or undefined when the thing is not there; every other error is raised. */
export async function ifPresent<T>(
  work: Promise<T>,
  ...more: readonly string[]
): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isAbsent(error, ...more)) return undefined;
    throw error;
  }
}
