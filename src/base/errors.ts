// The one table of error codes, and the one error class that crosses borders. A code fixes the HTTP
// status of the Engine API (Docker's mapping) and the gRPC status between machines.

interface CodeEntry {
  readonly http: number;
  readonly grpc: number;
  /** True when the same request may succeed later without a change. */
  readonly temporary: boolean;
}

const CODES = {
  invalid: { http: 400, grpc: 3, temporary: false },
  /** More of it than is read. */
  tooLarge: { http: 413, grpc: 3, temporary: false },
  precondition: { http: 400, grpc: 9, temporary: false },
  unauthenticated: { http: 401, grpc: 16, temporary: false },
  denied: { http: 403, grpc: 7, temporary: false },
  notFound: { http: 404, grpc: 5, temporary: false },
  conflict: { http: 409, grpc: 6, temporary: false },
  /** A stale `Version.Index`: Docker answers 500 with "update out of sequence". */
  outOfSequence: { http: 500, grpc: 10, temporary: false },
  unimplemented: { http: 501, grpc: 12, temporary: false },
  unavailable: { http: 503, grpc: 14, temporary: true },
  exhausted: { http: 500, grpc: 8, temporary: true },
  deadline: { http: 500, grpc: 4, temporary: true },
  /** What was stored is damaged. */
  dataLoss: { http: 500, grpc: 15, temporary: false },
  internal: { http: 500, grpc: 13, temporary: false },
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof CODES;

/** A bad request or an outside failure. The message names the value and the way out. */
export class SwarmError extends Error {
  readonly code: ErrorCode;
  override readonly name = 'SwarmError';

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  get httpStatus(): number {
    return CODES[this.code].http;
  }

  get grpcStatus(): number {
    return CODES[this.code].grpc;
  }

  get temporary(): boolean {
    return CODES[this.code].temporary;
  }
}

/** The code that belongs to a gRPC status; unknown ones become `internal`. */
export function codeFromGrpc(status: number): ErrorCode {
  for (const [code, entry] of Object.entries(CODES)) {
    if (entry.grpc === status && isErrorCode(code)) return code;
  }
  return 'internal';
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(CODES, code);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
