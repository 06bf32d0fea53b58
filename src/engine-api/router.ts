// Routes of the Engine API: method and path pattern → handler. A segment {name} takes anything up to
// the next literal, slashes included where the pattern ends with it (image names have them).
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { EngineBackend } from './backend.ts';

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly params: Readonly<Record<string, string>>;
  /** 1041 for 1.41. */
  readonly version: number;
  readonly raw: IncomingMessage;
  readonly backend: EngineBackend;
  /** The JSON body; `{}` when there is none. Raises `invalid`. */
  json(): Promise<Readonly<Record<string, unknown>>>;
  header(name: string): string | undefined;
  /**
   * The connection itself, instead of a response: its end is the taker's, its input is thrown away.
   * Present when the client asked for that (`Upgrade: tcp`) and the route can do it.
   */
  readonly takeOver?: () => Duplex;
}

/** What a handler gives: a body to send as JSON, or nothing because it wrote the response itself. */
export type Reply =
  | {
      readonly status: number;
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | 'handled';

export type Handler = (request: Request, response: ServerResponse) => Promise<Reply> | Reply;

export interface Route {
  readonly method: string;
  readonly pattern: string;
  readonly handler: Handler;
  /** Clients may ask for the bare connection. */
  readonly upgrades?: true;
}

interface Compiled {
  readonly method: string;
  readonly upgrades: boolean;
  readonly expression: RegExp;
  readonly names: readonly string[];
  readonly handler: Handler;
}

export class Router {
  readonly #routes: readonly Compiled[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map(compile);
  }

  find(
    method: string,
    path: string,
  ): { handler: Handler; params: Record<string, string>; upgrades: boolean } | undefined {
    for (const route of this.#routes) {
      if (route.method !== method && !(method === 'HEAD' && route.method === 'GET')) continue;
      const match = route.expression.exec(path);
      if (match === null) continue;
      const params = Object.fromEntries(
        route.names.map((name, i) => [name, decodeURIComponent(match[i + 1] ?? '')]),
      );
      return { handler: route.handler, params, upgrades: route.upgrades };
    }
    return undefined;
  }
}

function compile({ method, pattern, handler, upgrades }: Route): Compiled {
  const names: string[] = [];
  const source = pattern.replace(/\{(\w+)(:path)?\}/g, (_all, name: string, path?: string) => {
    names.push(name);
    return path === undefined ? '([^/]+)' : '(.+)';
  });
  return {
    method,
    expression: new RegExp(`^${source}$`),
    names,
    handler,
    upgrades: upgrades === true,
  };
}

export const ok = (body: unknown): Reply => ({ status: 200, body });
export const created = (body: unknown): Reply => ({ status: 201, body });
export const empty = (status = 200): Reply => ({ status });
