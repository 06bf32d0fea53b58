// A promise that somebody else settles.

export interface Deferred<T> {
  readonly promise: Promise<T>;
  /** The first call of the two counts. */
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

export function deferred<T = void>(): Deferred<T> {
  let settle: Omit<Deferred<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  if (settle === undefined) throw new Error('invariant broken: a promise begins at once');
  return { promise, ...settle };
}
