// Builds image archives for tests, without a builder or a registry: files become one layer, options
// become the configuration. The same input gives the same bytes.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pack } from 'tar-stream';

export interface ArchiveFile {
  /** Absolute path in the image. */
  readonly path: string;
  /** Content; a symbolic link has `link`, a directory neither. */
  readonly content?: Uint8Array | string;
  readonly link?: string;
  /** Instead of a file: a FIFO, or /dev/zero. */
  readonly special?: 'fifo' | 'zero';
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface ImageArchiveOptions {
  /** Names such as "hello:1"; default: none. */
  readonly names?: readonly string[];
  readonly files?: readonly ArchiveFile[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: readonly string[];
  readonly user?: string;
  readonly workingDir?: string;
  readonly volumes?: readonly string[];
  readonly exposedPorts?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly stopSignal?: string;
  /** As in Docker's image configuration; durations in nanoseconds. */
  readonly healthcheck?: {
    readonly Test: readonly string[];
    readonly Interval?: number;
    readonly Timeout?: number;
    readonly Retries?: number;
    readonly StartPeriod?: number;
    readonly StartInterval?: number;
  };
  /** "docker" as `docker save` writes it (default), "oci" as an OCI layout. */
  readonly format?: 'docker' | 'oci';
}

const BUSYBOX = '/bin/busybox';
const APPLETS = `
  sh ash sleep cat echo env id ls ps stat head tail true false touch mkdir rm cp mv ln chmod
  date hostname ip wget nc nslookup ping httpd yes dd test seq kill mount readlink pwd printf
  grep sed tr wc df uname traceroute netstat udhcpc
`
  .trim()
  .split(/\s+/);

/** Busybox (Debian's busybox-static) with its applets, and the usual files of /etc. */
export function busyboxFiles(): readonly ArchiveFile[] {
  const users = ['root:x:0:0:root:/root:/bin/sh', 'app:x:1000:1001:app:/home/app:/bin/sh', ''];
  const groups = ['root:x:0:', 'app:x:1001:', 'extra:x:2000:app', ''];
  return [
    { path: '/bin/busybox', content: readFileSync(BUSYBOX), mode: 0o755 },
    ...APPLETS.map((name) => ({ path: `/bin/${name}`, link: 'busybox' })),
    { path: '/etc/passwd', content: users.join('\n') },
    { path: '/etc/group', content: groups.join('\n') },
    { path: '/tmp', mode: 0o1777 },
    { path: '/root', mode: 0o700 },
    { path: '/home/app', uid: 1000, gid: 1001 },
  ];
}

/** A busybox image that runs `cmd`; the archive as one buffer. */
export function busyboxArchive(options: ImageArchiveOptions): Promise<Buffer> {
  const own = options.files ?? [];
  // A file of the caller's takes the place of a usual one.
  const usual = busyboxFiles().filter(({ path }) => own.every((file) => file.path !== path));
  return imageArchive({
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    ...options,
    files: [...usual, ...own],
  });
}

/** An image of the given files; the archive as one buffer. */
export async function imageArchive(options: ImageArchiveOptions): Promise<Buffer> {
  const layer = await layerTar(options.files ?? []);
  const diffId = sha256(layer);
  const config = Buffer.from(JSON.stringify(configuration(options, `sha256:${diffId}`)));
  return options.format === 'oci'
    ? ociArchive(options, layer, config)
    : dockerArchive(options, layer, config);
}

function configuration(options: ImageArchiveOptions, diffId: string): object {
  const keys = (names: readonly string[] | undefined): object | undefined =>
    names === undefined ? undefined : Object.fromEntries(names.map((name) => [name, {}]));
  return {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    created: '2020-01-01T00:00:00Z',
    config: {
      Entrypoint: options.entrypoint,
      Cmd: options.cmd,
      Env: options.env,
      User: options.user,
      WorkingDir: options.workingDir,
      Volumes: keys(options.volumes),
      ExposedPorts: keys(options.exposedPorts),
      Labels: options.labels,
      StopSignal: options.stopSignal,
      Healthcheck: options.healthcheck,
    },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created: '2020-01-01T00:00:00Z', created_by: 'test builder' }],
  };
}

async function layerTar(files: readonly ArchiveFile[]): Promise<Buffer> {
  const entries: TarEntry[] = [];
  const seen = new Set<string>();
  for (const file of files) {
    const name = file.path.replace(/^\/+/, '');
    const parts = name.split('/');
    for (let i = 1; i < parts.length; i++) {
      const parent = parts.slice(0, i).join('/');
      if (seen.has(parent)) continue;
      seen.add(parent);
      entries.push({ name: `${parent}/`, type: 'directory', mode: 0o755 });
    }
    if (seen.has(name)) continue;
    seen.add(name);
    const owner = { uid: file.uid ?? 0, gid: file.gid ?? 0 };
    if (file.link !== undefined) {
      entries.push({ name, type: 'symlink', linkname: file.link, mode: 0o777, ...owner });
    } else if (file.special === 'fifo') {
      entries.push({ name, type: 'fifo', mode: 0o644, ...owner });
    } else if (file.special === 'zero') {
      const device = { devmajor: 1, devminor: 5 };
      entries.push({ name, type: 'character-device', mode: 0o666, ...device, ...owner });
    } else if (file.content === undefined) {
      entries.push({ name: `${name}/`, type: 'directory', mode: file.mode ?? 0o755, ...owner });
    } else {
      const content = Buffer.from(file.content);
      entries.push({ name, type: 'file', content, mode: file.mode ?? 0o644, ...owner });
    }
  }
  return tar(entries);
}

function dockerArchive(
  options: ImageArchiveOptions,
  layer: Buffer,
  config: Buffer,
): Promise<Buffer> {
  const id = sha256(config);
  const layerPath = `${sha256(layer)}/layer.tar`;
  const manifest = [{ Config: `${id}.json`, RepoTags: options.names ?? null, Layers: [layerPath] }];
  return tar([
    { name: layerPath, type: 'file', content: layer },
    { name: `${id}.json`, type: 'file', content: config },
    { name: 'manifest.json', type: 'file', content: json(manifest) },
  ]);
}

function ociArchive(options: ImageArchiveOptions, layer: Buffer, config: Buffer): Promise<Buffer> {
  const { manifest, descriptor } = ociManifest(layer, config);
  const names = options.names ?? [undefined];
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: names.map((name) => ({
      ...descriptor,
      ...(name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': name } }),
    })),
  };
  const blob = (content: Buffer): TarEntry => ({
    name: `blobs/sha256/${sha256(content)}`,
    type: 'file',
    content,
  });
  return tar([
    { name: 'oci-layout', type: 'file', content: json({ imageLayoutVersion: '1.0.0' }) },
    { name: 'index.json', type: 'file', content: json(index) },
    blob(manifest),
    blob(config),
    blob(layer),
  ]);
}

/** The manifest of an image of one plain layer, for archives and for pushing to a registry. */
export function ociManifest(
  layer: Buffer,
  config: Buffer,
): { manifest: Buffer; descriptor: { mediaType: string; digest: string; size: number } } {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const part = (type: string, content: Buffer): object => ({
    mediaType: `application/vnd.oci.image.${type}`,
    digest: `sha256:${sha256(content)}`,
    size: content.length,
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType,
    config: part('config.v1+json', config),
    layers: [part('layer.v1.tar', layer)],
  });
  const digest = `sha256:${sha256(manifest)}`;
  return { manifest, descriptor: { mediaType, digest, size: manifest.length } };
}

/** Layer and configuration of an image, for tests that push to a registry. */
export async function imageParts(
  options: ImageArchiveOptions,
): Promise<{ layer: Buffer; config: Buffer }> {
  const layer = await layerTar(options.files ?? []);
  const config = json(configuration(options, `sha256:${sha256(layer)}`));
  return { layer, config };
}

interface TarEntry {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'fifo' | 'character-device';
  readonly content?: Buffer;
  readonly linkname?: string;
  readonly devmajor?: number;
  readonly devminor?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

async function tar(entries: readonly TarEntry[]): Promise<Buffer> {
  const stream = pack();
  const chunks: Uint8Array[] = [];
  const reading = (async (): Promise<void> => {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) chunks.push(chunk);
  })();
  for (const { content, ...header } of entries) {
    const size = content?.length ?? 0;
    const entry = stream.entry({ ...header, size, mtime: new Date(0) });
    if (content !== undefined) entry.write(content);
    entry.end(undefined);
    await new Promise<void>((resolve) => {
      entry.once('close', resolve);
    });
  }
  stream.finalize();
  await reading;
  return Buffer.concat(chunks);
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
