// Manifests, indexes and image configurations: what they look like, how the one of this platform is
// chosen, and the arithmetic of chain ids. Pure.
import { SwarmError } from '../../base/index.ts';
import {
  MAX_DOCUMENT_BYTES,
  imageFileOf,
  indexOf,
  kindOf,
  manifestOf,
  type DescriptorDocument,
  type ImageConfig,
} from './schemas.ts';

export { MAX_DOCUMENT_BYTES };

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

export type { ImageConfig };

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
  const { config, layers = [] } = manifestOf(bytes);
  if (config.size > MAX_DOCUMENT_BYTES) {
    throw new SwarmError(
      'invalid',
      `image configuration ${config.digest} of ${config.size} bytes: at most ${MAX_DOCUMENT_BYTES} are read`,
    );
  }
  return { config: descriptorOf(config), layers: layers.map(descriptorOf) };
}

/** Parses an index or manifest list; throws `dataLoss` when it is not one. */
export function parseIndex(bytes: Uint8Array): readonly Descriptor[] {
  return indexOf(bytes).manifests.map(descriptorOf);
}

/** The media type a document names itself, or the one its fields show. */
export function mediaTypeOf(bytes: Uint8Array, claimed?: string): string {
  const { mediaType, manifests } = kindOf(bytes);
  if (typeof mediaType === 'string') return mediaType;
  if (claimed !== undefined && (isIndex(claimed) || isManifest(claimed))) return claimed;
  return manifests === undefined ? MEDIA_TYPE.ociManifest : MEDIA_TYPE.ociIndex;
}

/** Parses an image configuration; throws `dataLoss` when it is none. */
export function parseImageFile(bytes: Uint8Array): ImageFile {
  const { rootfs, ...file } = imageFileOf(bytes);
  return {
    architecture: 'amd64',
    os: 'linux',
    ...file,
    rootfs: { type: 'layers', diff_ids: rootfs.diff_ids },
  };
}

function descriptorOf({ platform, mediaType = '', ...rest }: DescriptorDocument): Descriptor {
  if (platform === undefined) return { mediaType, ...rest };
  const { architecture = '', os = '', variant } = platform;
  return {
    mediaType,
    ...rest,
    platform: { architecture, os, ...(variant === undefined ? {} : { variant }) },
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
