import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  MEDIA_TYPE,
  chainIds,
  choosePlatform,
  mediaTypeOf,
  parseImageFile,
  parseIndex,
  parseManifest,
  parsePlatformText,
  type Descriptor,
} from './manifest.ts';

const id = (letter: string): string => `sha256:${letter.repeat(64)}`;
const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const entry = (letter: string, architecture: string, variant?: string): Descriptor => ({
  mediaType: MEDIA_TYPE.ociManifest,
  digest: id(letter),
  size: 1,
  platform: { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) },
});

describe('manifests', () => {
  it('are read, and refused when a descriptor is damaged', () => {
    const config = { mediaType: MEDIA_TYPE.ociConfig, digest: id('c'), size: 2 };
    const layers = [{ mediaType: MEDIA_TYPE.ociLayer, digest: id('d'), size: 3 }];
    expect(parseManifest(json({ config, layers }))).toEqual({ config, layers });
    for (const bad of [
      { layers },
      { config: { ...config, digest: 'sha256:../../etc' } },
      { config: { ...config, size: -1 } },
      { config: { ...config, size: '2' } },
    ]) {
      expect(() => parseManifest(json(bad))).toThrow('damaged image');
    }
    expect(() => parseManifest(new TextEncoder().encode('{'))).toThrow('manifest is not JSON');
  });

  it('have a bounded size, depth and number of everything', () => {
    const config = { mediaType: MEDIA_TYPE.ociConfig, digest: id('c'), size: 2 };
    const layer = { mediaType: MEDIA_TYPE.ociLayer, digest: id('d'), size: 3 };
    const many = Array.from({ length: 600 }, () => layer);
    expect(() => parseManifest(json({ config, layers: many }))).toThrow('layers');
    expect(() => parseManifest(json({ config: { ...config, size: 2 ** 40 } }))).toThrow('at most');
    expect(() => parseManifest(json({ config, layers: [{ ...layer, size: 2 ** 60 }] }))).toThrow(
      'size',
    );
    expect(() => parseIndex(json({ manifests: [...many, ...many] }))).toThrow('manifests');
    const deep = new TextEncoder().encode(`{"config":${'['.repeat(100_000)}`);
    expect(() => parseManifest(deep)).toThrow('nested too deep');
    expect(() => mediaTypeOf(json('x'.repeat(5_000_000)))).toThrow('too long');
  });

  it('tell their media type, by name or by their fields', () => {
    expect(mediaTypeOf(json({ mediaType: MEDIA_TYPE.dockerList }))).toBe(MEDIA_TYPE.dockerList);
    expect(mediaTypeOf(json({}), MEDIA_TYPE.dockerManifest)).toBe(MEDIA_TYPE.dockerManifest);
    expect(mediaTypeOf(json({ manifests: [] }), 'text/plain')).toBe(MEDIA_TYPE.ociIndex);
    expect(mediaTypeOf(json({}))).toBe(MEDIA_TYPE.ociManifest);
  });
});

describe('the choice of a platform', () => {
  const arm = { os: 'linux', architecture: 'arm', variant: 'v7' };

  it('goes by architecture under both of its names, then by variant', () => {
    const list = [entry('a', 'arm64'), entry('b', 'amd64'), entry('c', 'arm', 'v6')];
    const amd64 = { os: 'linux', architecture: 'amd64' };
    expect(choosePlatform(list, amd64)?.digest).toBe(id('b'));
    expect(choosePlatform(list, { os: 'linux', architecture: 'x86_64' })?.digest).toBe(id('b'));
    expect(choosePlatform(list, arm)?.digest).toBe(id('c'));
    expect(choosePlatform([...list, entry('d', 'arm', 'v7')], arm)?.digest).toBe(id('d'));
    expect(choosePlatform(list, { os: 'windows', architecture: 'amd64' })).toBeUndefined();
  });

  it('never takes an attestation', () => {
    const attestation = {
      ...entry('a', 'unknown'),
      platform: { os: 'unknown', architecture: 'unknown' },
    };
    expect(choosePlatform([attestation], arm)).toBeUndefined();
  });

  it('reads --platform', () => {
    expect(parsePlatformText('linux/x86_64')).toEqual({ os: 'linux', architecture: 'amd64' });
    expect(parsePlatformText('linux/arm/v7')).toEqual(arm);
    expect(() => parsePlatformText('linux')).toThrow('is no platform');
  });
});

describe('image configurations', () => {
  it('need diff ids that are digests', () => {
    expect(parseImageFile(json({ rootfs: { diff_ids: [id('a')] } })).rootfs.diff_ids).toEqual([
      id('a'),
    ]);
    expect(() => parseImageFile(json({}))).toThrow('rootfs');
    expect(() => parseImageFile(json({ rootfs: { diff_ids: ['x'] } }))).toThrow('diff_ids');
  });

  it('take null for what is empty, and nothing of another type', () => {
    const rootfs = { diff_ids: [] };
    const config = { Env: null, Cmd: ['x'], Labels: null, ExposedPorts: { '80/tcp': {} } };
    expect(parseImageFile(json({ rootfs, config, history: null })).config).toEqual({
      Cmd: ['x'],
      ExposedPorts: { '80/tcp': {} },
    });
    for (const bad of [
      { Env: 'PATH=/' },
      { Env: [7] },
      { Labels: { a: 1 } },
      { Volumes: ['/x'] },
      { Healthcheck: { Retries: 1e300 } },
      { User: 'x'.repeat(5000) },
      { Volumes: Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`/${i}`, {}])) },
    ]) {
      expect(() => parseImageFile(json({ rootfs, config: bad }))).toThrow(
        /damaged image: .*config/,
      );
    }
  });

  it('give chain ids: each is the hash of the one before and its own diff id', () => {
    const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
    const second = `sha256:${sha256(`${id('a')} ${id('b')}`)}`;
    const third = `sha256:${sha256(`${second} ${id('c')}`)}`;
    expect(chainIds([id('a'), id('b'), id('c')], sha256)).toEqual([id('a'), second, third]);
    expect(chainIds([], sha256)).toEqual([]);
  });
});
