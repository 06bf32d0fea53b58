// Routes of the Engine API: method and path pattern → handler. A segment {name:kind} takes what is a
// name of that kind; any other text is the name of nothing.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { SwarmError } from '../../base/index.ts';
import type { Permission, Principal } from '../../manager/index.ts';
import type { EngineBackend } from '../backend/index.ts';
import { decoded } from './request-target.ts';

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly params: Readonly<Record<string, string>>;
  /** 1041 for 1.41. */
  readonly version: number;
  readonly raw: IncomingMessage;
  readonly backend: EngineBackend;
  /** Who asks. */
  readonly principal: Principal;
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
  /** What the caller needs; checked before the handler runs. */
  readonly permission: Permission;
  readonly handler: Handler;
  /** Clients may ask for the bare connection. */
  readonly upgrades?: true;
}

/** What a name in a path may be, and what Docker says when there is nothing of that name. */
interface NameKind {
  readonly grammar: RegExp;
  readonly lengthMax: number;
  readonly absent: (name: string) => string;
}

const ordinary = (absent: NameKind['absent']): NameKind => ({
  grammar: /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/,
  lengthMax: 255,
  absent,
});

const KINDS = {
  node: ordinary((name) => `node ${name} not found`),
  service: ordinary((name) => `service ${name} not found`),
  task: ordinary((name) => `task ${name} not found`),
  network: ordinary((name) => `network ${name} not found`),
  secret: ordinary((name) => `secret ${name} not found`),
  config: ordinary((name) => `config ${name} not found`),
  volume: ordinary((name) => `get ${name}: no such volume`),
  // Names of containers come with Docker's slash as well.
  container: {
    grammar: /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]*$/,
    lengthMax: 255,
    absent: (name) => `No such container: ${name}`,
  },
  image: {
    // "host:port/path/name:tag@digest"; a host may be an IPv6 address in brackets.
    grammar:
      /^(?:\[[0-9a-fA-F:.]+\])?[a-zA-Z0-9:][a-zA-Z0-9_.:@-]*(?:\/[a-zA-Z0-9][a-zA-Z0-9_.:@-]*)*$/,
    lengthMax: 512,
    absent: (name) => `No such image: ${name}`,
  },
} as const satisfies Record<string, NameKind>;

type Kind = keyof typeof KINDS;

const SHOWN_MAX = 100;

interface Compiled {
  readonly method: string;
  readonly upgrades: boolean;
  readonly expression: RegExp;
  readonly names: readonly { readonly name: string; readonly kind: NameKind }[];
  readonly handler: Handler;
  readonly permission: Permission;
}

export class Router {
  readonly #routes: readonly Compiled[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map(compile);
  }

  /** Raises `notFound` for a name that is none of its kind, `invalid` for one that is no text. */
  find(
    method: string,
    path: string,
  ):
    | {
        handler: Handler;
        params: Record<string, string>;
        permission: Permission;
        upgrades: boolean;
      }
    | undefined {
    for (const route of this.#routes) {
      if (route.method !== method && !(method === 'HEAD' && route.method === 'GET')) continue;
      const match = route.expression.exec(path);
      if (match === null) continue;
      const params = Object.fromEntries(
        route.names.map(({ name, kind }, i) => [name, checked(kind, decoded(match[i + 1] ?? ''))]),
      );
      const { handler, permission, upgrades } = route;
      return { handler, params, permission, upgrades };
    }
    return undefined;
  }
}

function checked({ grammar, lengthMax, absent }: NameKind, name: string): string {
  if (name.length <= lengthMax && grammar.test(name)) return name;
  throw new SwarmError('notFound', absent(name.slice(0, SHOWN_MAX)));
}

function isKind(text: string): text is Kind {
  return Object.hasOwn(KINDS, text);
}

function compile({ method, pattern, permission, handler, upgrades }: Route): Compiled {
  const names: Compiled['names'][number][] = [];
  const source = pattern.replace(/\{(\w+):(\w+)\}/g, (_all, name: string, kind: string) => {
    if (!isKind(kind)) throw new Error(`route ${pattern}: ${kind} is no kind of name`);
    names.push({ name, kind: KINDS[kind] });
    return kind === 'image' ? '(.+)' : '([^/]+)';
  });
  return {
    method,
    expression: new RegExp(`^${source}$`),
    names,
    permission,
    handler,
    upgrades: upgrades === true,
  };
}

export const ok = (body: unknown): Reply => ({ status: 200, body });
export const created = (body: unknown): Reply => ({ status: 201, body });
export const empty = (status = 200): Reply => ({ status });
