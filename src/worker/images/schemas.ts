// What registries and image archives may send: the schemas of their documents, which are the sources of
// the types as well. Whoever made the image is a stranger: all texts, lists and numbers have bounds.
import {
  SwarmError,
  boolean,
  count,
  decoder,
  integer,
  list,
  map,
  messageOf,
  number,
  optional,
  parseJson,
  present,
  record,
  text,
  unknown,
  type Decoded,
  type Decoder,
  type TSchema,
} from '../../base/index.ts';

/** Largest manifest, index or configuration that is read; the specification asks for 4 MiB. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** Most layers of one image; overlayfs itself ends at 500. */
export const MAX_LAYERS = 500;
/** Most manifests of one index: platforms, and an attestation for each. */
export const MAX_MANIFESTS = 1000;
/** Most volumes and ports that an image may name. */
const MAX_NAMED = 1000;
const MAX_DEPTH = 32;

const DIGEST = text(71, /sha256:[a-f0-9]{64}/);
const WORD = text(256);
const LONG = text(MAX_DOCUMENT_BYTES);
const TEXTS = list(LONG, 10_000);

const PLATFORM = record({
  architecture: optional(WORD),
  os: optional(WORD),
  variant: optional(WORD),
});

const DESCRIPTOR = record({
  mediaType: optional(WORD),
  digest: DIGEST,
  size: count(),
  platform: optional(PLATFORM),
  annotations: optional(map(LONG, MAX_NAMED)),
});
export type DescriptorDocument = Decoded<typeof DESCRIPTOR>;

const HEALTHCHECK = record({
  Test: optional(TEXTS),
  Interval: optional(number()),
  Timeout: optional(number()),
  Retries: optional(integer(-1_000_000, 1_000_000)),
  StartPeriod: optional(number()),
  StartInterval: optional(number()),
});

/** The part of an image's configuration that a container starts from, in Docker's spelling. */
const IMAGE_CONFIG = record({
  Env: optional(TEXTS),
  Entrypoint: optional(TEXTS),
  Cmd: optional(TEXTS),
  User: optional(text(4096)),
  WorkingDir: optional(text(4096)),
  ExposedPorts: optional(map(present(), MAX_NAMED)),
  Volumes: optional(map(present(), MAX_NAMED)),
  Healthcheck: optional(HEALTHCHECK),
  StopSignal: optional(WORD),
  Labels: optional(map(LONG)),
  Shell: optional(TEXTS),
  OnBuild: optional(TEXTS),
});
export type ImageConfig = Decoded<typeof IMAGE_CONFIG>;

const IMAGE_FILE = record({
  architecture: optional(WORD),
  os: optional(WORD),
  variant: optional(WORD),
  created: optional(WORD),
  author: optional(LONG),
  config: optional(IMAGE_CONFIG),
  rootfs: record({ type: optional(WORD), diff_ids: list(DIGEST, MAX_LAYERS) }),
  history: optional(
    list(
      record({
        created: optional(WORD),
        created_by: optional(LONG),
        comment: optional(LONG),
        empty_layer: optional(boolean()),
      }),
    ),
  ),
});

export const manifestOf = document(
  record({ config: DESCRIPTOR, layers: optional(list(DESCRIPTOR, MAX_LAYERS)) }),
  'manifest',
);
export const indexOf = document(record({ manifests: list(DESCRIPTOR, MAX_MANIFESTS) }), 'index');
export const imageFileOf = document(IMAGE_FILE, 'image configuration');
/** What tells the kind of a document. */
export const kindOf = document(
  record({ mediaType: optional(unknown()), manifests: optional(list(unknown(), MAX_MANIFESTS)) }),
  'manifest',
);
/** manifest.json of `docker save`. */
export const archiveManifestOf = document(
  list(
    record({
      Config: text(4096),
      Layers: list(text(4096), MAX_LAYERS),
      RepoTags: optional(list(text(1024), MAX_NAMED)),
    }),
    MAX_NAMED,
  ),
  'manifest.json of the archive',
);

/** It is sent in a header. */
const TOKEN = optional(text(32 * 1024, /[!-~]*/));
export const tokenAnswerOf = document(
  record({ token: TOKEN, access_token: TOKEN }),
  'token answer',
);
export const registryErrorOf = document(
  record({
    errors: list(record({ code: WORD, message: optional(text(32 * 1024)) }), 100),
  }),
  'error',
);

/** Raises `dataLoss`: what came is not what was announced. */
function document<S extends TSchema>(schema: S, what: string): (bytes: Uint8Array) => Decoded<S> {
  const decode: Decoder<Decoded<S>> = decoder(schema, what, { code: 'dataLoss' });
  return (bytes) => {
    const limits = { length: MAX_DOCUMENT_BYTES, depth: MAX_DEPTH, code: 'dataLoss' } as const;
    try {
      return decode(withoutNulls(parseJson(bytes, what, limits)));
    } catch (error) {
      throw new SwarmError('dataLoss', `damaged image: ${messageOf(error)}`);
    }
  };
}

/** Docker's programs write null for what is empty. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([key, inner]) => [key, withoutNulls(inner)]),
  );
}
