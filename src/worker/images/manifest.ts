// Manifests, indexes and image configurations: what they look like, how the one of this platform is
// chosen, and the arithmetic of chain ids. Pure.
import { SwarmError } from '../../base/index.ts';

export interface Platform {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** The part of an image's configuration that a container starts from, in Docker's spelling. */
export interface ImageConfig {
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>> | null;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly Healthcheck?: {
    readonly Test?: readonly string[];
    readonly Interval?: number;
    readonly Timeout?: number;
    readonly Retries?: number;
    readonly StartPeriod?: number;
    readonly StartInterval?: number;
  } | null;
  readonly StopSignal?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly Shell?: readonly string[] | null;
}

export interface ImageFile {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly created?: string;
  readonly author?: string;
  readonly config?: ImageConfig;
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly string[] };
  readonly history?: readonly {
    readonly created?: string;
    readonly created_by?: string;
    readonly comment?: string;
    readonly empty_layer?: boolean;
  }[];
}

export const MEDIA_TYPE = {
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const;

/** Largest manifest, index or configuration that is read; the specification asks for 4 MiB. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** Most layers of one image; overlayfs itself ends at 500. */
const MAX_LAYERS = 500;
const DIGEST = /^sha256:[a-f0-9]{64}$/;

/** True for the media types that list manifests of several platforms. */
export function isIndex(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociIndex || mediaType === MEDIA_TYPE.dockerList;
}

/** True for the media types of a single image's manifest. */
export function isManifest(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociManifest || mediaType === MEDIA_TYPE.dockerManifest;
}

/** Parses an image manifest; throws `dataLoss` when it is not one. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const document = parseJson(bytes, 'manifest');
  const layers = Array.isArray(document.layers) ? document.layers : [];
  if (layers.length > MAX_LAYERS) {
    throw new SwarmError('invalid', `image has ${layers.length} layers, at most ${MAX_LAYERS}`);
  }
  return { config: parseDescriptor(document.config), layers: layers.map(parseDescriptor) };
}

/** Parses an index or manifest list; throws `dataLoss` when it is not one. */
export function parseIndex(bytes: Uint8Array): readonly Descriptor[] {
  const document = parseJson(bytes, 'index');
  if (!Array.isArray(document.manifests)) throw damaged('index without manifests');
  return document.manifests.map(parseDescriptor);
}

/** The media type a document names itself, or the one its fields show. */
export function mediaTypeOf(bytes: Uint8Array, claimed?: string): string {
  const document = parseJson(bytes, 'manifest');
  if (typeof document.mediaType === 'string') return document.mediaType;
  if (claimed !== undefined && (isIndex(claimed) || isManifest(claimed))) return claimed;
  return Array.isArray(document.manifests) ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest;
}

/** Parses an image configuration; throws `dataLoss` when it is none. */
export function parseImageFile(bytes: Uint8Array): ImageFile {
  const document = parseJson(bytes, 'image configuration');
  const rootfs = document.rootfs;
  if (!isRecord(rootfs) || !Array.isArray(rootfs.diff_ids)) {
    throw damaged('image configuration without rootfs.diff_ids');
  }
  const diffIds: unknown[] = rootfs.diff_ids;
  if (!diffIds.every((id) => typeof id === 'string' && DIGEST.test(id))) {
    throw damaged('image configuration with a malformed diff id');
  }
  // Docker writes more fields than are named in ImageFile; those are carried along unread.
  return {
    architecture: 'amd64',
    os: 'linux',
    ...document,
    rootfs: { type: 'layers', diff_ids: diffIds as string[] },
  };
}

function parseDescriptor(value: unknown): Descriptor {
  if (!isRecord(value)) throw damaged('descriptor is not an object');
  const { digest, size, mediaType, platform, annotations } = value;
  if (typeof digest !== 'string' || !DIGEST.test(digest)) {
    throw damaged(`descriptor with digest ${JSON.stringify(digest)}`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw damaged(`descriptor ${digest} with size ${JSON.stringify(size)}`);
  }
  return {
    mediaType: typeof mediaType === 'string' ? mediaType : '',
    digest,
    size,
    ...(isRecord(platform) ? { platform: parsePlatform(platform) } : {}),
    ...(isRecord(annotations) ? { annotations: annotations as Record<string, string> } : {}),
  };
}

function parsePlatform(value: Readonly<Record<string, unknown>>): Platform {
  return {
    architecture: typeof value.architecture === 'string' ? value.architecture : '',
    os: typeof value.os === 'string' ? value.os : '',
    ...(typeof value.variant === 'string' ? { variant: value.variant } : {}),
  };
}

/**
 * The manifest of an index for `wanted`: same system and architecture; among several the one of the
 * same variant, then the first. Attestations (platform unknown/unknown) are never chosen.
 */
export function choosePlatform(
  manifests: readonly Descriptor[],
  wanted: Platform,
): Descriptor | undefined {
  const fitting = manifests.filter(
    (entry) =>
      entry.platform === undefined ||
      (entry.platform.os === wanted.os &&
        normalArchitecture(entry.platform.architecture) ===
          normalArchitecture(wanted.architecture)),
  );
  const sameVariant = fitting.find((entry) => entry.platform?.variant === wanted.variant);
  return sameVariant ?? fitting[0];
}

/** Go's name of an architecture ("amd64") for the kernel's ("x86_64"). */
export function normalArchitecture(name: string): string {
  switch (name) {
    case 'x86_64':
    case 'x86-64':
      return 'amd64';
    case 'aarch64':
      return 'arm64';
    case 'armv7l':
    case 'armhf':
      return 'arm';
    case 'i386':
    case 'i686':
      return '386';
    default:
      return name;
  }
}

/** Parses "linux/amd64[/variant]" as in Docker's --platform; throws `invalid`. */
export function parsePlatformText(text: string): Platform {
  const [os, architecture, variant, ...more] = text.split('/');
  if (!os || !architecture || more.length > 0) {
    throw new SwarmError('invalid', `"${text}" is no platform; write os/architecture[/variant]`);
  }
  return {
    os,
    architecture: normalArchitecture(architecture),
    ...(variant ? { variant } : {}),
  };
}

/**
 * Names of the snapshots below an image, one per layer: the first is the layer's own diff id, each
 * further one the hash of "previous diffId" (OCI image specification, "Layer ChainID").
 */
export function chainIds(
  diffIds: readonly string[],
  sha256: (text: string) => string,
): readonly string[] {
  const result: string[] = [];
  let previous = '';
  for (const diffId of diffIds) {
    previous = previous === '' ? diffId : `sha256:${sha256(`${previous} ${diffId}`)}`;
    result.push(previous);
  }
  return result;
}

/** Labels by which containerd's garbage collector follows a manifest to its config and layers. */
export function manifestGcLabels(manifest: Manifest): Record<string, string> {
  const labels: Record<string, string> = {
    'containerd.io/gc.ref.content.config': manifest.config.digest,
  };
  manifest.layers.forEach((layer, i) => {
    labels[`containerd.io/gc.ref.content.l.${i}`] = layer.digest;
  });
  return labels;
}

/** Labels by which containerd's garbage collector follows an index to its manifests. */
export function indexGcLabels(manifests: readonly Descriptor[]): Record<string, string> {
  return Object.fromEntries(
    manifests.map((entry, i) => [`containerd.io/gc.ref.content.m.${i}`, entry.digest]),
  );
}

/** Parses JSON that must be an object; throws `dataLoss`, naming what it should have been. */
export function parseJson(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new SwarmError('dataLoss', `${what} is not JSON`, { cause: error });
  }
  if (!isRecord(value)) throw damaged(`${what} is not a JSON object`);
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function damaged(message: string): SwarmError {
  return new SwarmError('dataLoss', `damaged image: ${message}`);
}
