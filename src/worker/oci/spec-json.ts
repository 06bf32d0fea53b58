// Runtime specs as JSON, to containerd and back. Whole numbers keep their digits: "unlimited" is more
// than a number of this runtime can hold.
import {
  boolean,
  count,
  decoder,
  integer,
  list,
  map,
  number,
  optional,
  record,
  text,
} from '../../base/index.ts';
import { UNLIMITED } from '../../model/index.ts';
import type { AnyMessage } from '../containerd/index.ts';
import type { OciProcess, OciSpec } from './oci-types.ts';

const SPEC_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/Spec';
const PROCESS_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/Process';
/** RLIM_INFINITY. */
const INFINITE = 2n ** 64n - 1n;
/** As long as containerd's largest message. */
const LENGTH_MAX = 16 * 1024 * 1024;

/** A limit as the OCI runtime takes it, from one as Docker writes it. */
export function ociLimit(value: number): number | bigint {
  return value === UNLIMITED ? INFINITE : value;
}

export function specMessage(spec: OciSpec): AnyMessage {
  return { type_url: SPEC_TYPE, value: Buffer.from(json(spec)) };
}

export function processMessage(process: OciProcess): AnyMessage {
  return { type_url: PROCESS_TYPE, value: Buffer.from(json(process)) };
}

function json(value: OciSpec | OciProcess): string {
  // Quotes inside of strings are escaped, and no map of a spec has these keys: only limits look like
  // this.
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'bigint' ? inner.toString() : inner,
  ).replaceAll(/"(soft|hard)":"(\d+)"/g, '"$1":$2');
}

const ID = count(2 ** 32 - 1);
const WORDS = list(text(1024 * 1024), 100_000);
const LIMIT = number(0);

const decodeSpec = decoder(
  record({
    process: record({
      terminal: optional(boolean()),
      user: record({ uid: ID, gid: ID, additionalGids: optional(list(ID, 65_536)) }),
      args: WORDS,
      env: WORDS,
      cwd: text(4096),
      capabilities: optional(map(list(text(64), 100), 8)),
      rlimits: optional(list(record({ type: text(64), soft: LIMIT, hard: LIMIT }), 64)),
      noNewPrivileges: optional(boolean()),
      oomScoreAdj: optional(integer(-1000, 1000)),
    }),
  }),
  'the runtime spec of a container',
  { length: LENGTH_MAX },
);

/** The process that a stored spec describes. Raises `invalid`. */
export function processOf(spec: Uint8Array): OciProcess {
  const { process } = decodeSpec.json(spec);
  const { capabilities, rlimits, ...rest } = process;
  const { bounding = [], effective = [], permitted = [] } = capabilities ?? {};
  return {
    ...rest,
    ...(capabilities === undefined ? {} : { capabilities: { bounding, effective, permitted } }),
    ...(rlimits === undefined
      ? {}
      : {
          rlimits: rlimits.map(({ type, soft, hard }) => ({
            type,
            soft: exactLimit(soft),
            hard: exactLimit(hard),
          })),
        }),
  };
}

/** Only "unlimited" is beyond what is exact. */
function exactLimit(value: number): number | bigint {
  return Number.isSafeInteger(value) ? value : INFINITE;
}
