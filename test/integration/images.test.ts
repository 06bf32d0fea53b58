// Images with a real containerd and a real registry: pulling with and without a login, by tag and
// digest, for one platform of several; archives; names; removal; and what goes wrong on the way.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { busyboxArchive, busyboxFiles } from '../builders/image-archive.ts';
import { chunks, executorBed, never, taskContext, type ExecutorBed } from '../builders/executor.ts';
import {
  BOB,
  startProxy,
  startRegistry,
  type TestProxy,
  type TestRegistry,
} from '../builders/registry.ts';

let bed: ExecutorBed;
let open: TestRegistry;
let closed: TestRegistry;
let proxy: TestProxy | undefined;

const auth = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** Of each test alone: what another one has pulled may still be there, and is not asked for again. */
const bigFile = (text: string) => ({ path: '/big', content: Buffer.alloc(3_000_000, text) });

beforeAll(async () => {
  [bed, open, closed] = await Promise.all([
    executorBed(),
    startRegistry(),
    startRegistry({ login: true }),
  ]);
});

afterEach(async () => {
  for (const { id } of await bed.executor.images.list()) {
    await bed.executor.images.remove(id, { force: true }).catch(() => undefined);
  }
  await proxy?.stop();
  proxy = undefined;
});

afterAll(async () => {
  await Promise.allSettled([open?.stop(), closed?.stop()]);
  await bed?.close();
});

describe('pulling', () => {
  it('fetches an image by tag, runs it, and knows its digest', async () => {
    const files = busyboxFiles();
    const digest = await open.push('team/app', 'v1', { files, cmd: ['echo', 'hello'] });
    const progress: string[] = [];
    const name = `${open.host}/team/app:v1`;
    const { images } = bed.executor;
    const image = await images.pull(name, {
      onProgress: ({ status }) => progress.push(status),
    });
    expect(image.repoTags).toEqual([name]);
    expect(image.repoDigests).toEqual([`${open.host}/team/app@${digest}`]);
    expect(image.file.config?.Cmd).toEqual(['echo', 'hello']);
    expect(progress).toContain('Pulling from 127.0.0.1:' + open.host.split(':')[1] + '/team/app');
    expect(progress.slice(-2)).toEqual([
      `Digest: ${digest}`,
      `Status: Downloaded newer image for ${name}`,
    ]);
    const controller = bed.executor.controller(taskContext({ Image: `${name}@${digest}` }));
    await controller.prepare(never());
    await controller.start(never());
    expect(await controller.wait(never())).toMatchObject({ exitCode: 0 });
    await expect(images.remove(name)).rejects.toThrow('is using its referenced image');
    await controller.remove();
    expect(await images.remove(name)).toEqual([{ untagged: name }, { deleted: image.id }]);
    await expect(images.inspect(name)).rejects.toThrow(`No such image: ${name}`);
  });

  it('by a task brings the image of a private registry with the task’s credentials', async () => {
    await closed.push('secret/app', 'latest', { files: busyboxFiles(), cmd: ['true'] });
    const image = `${closed.host}/secret/app`;
    const refused = bed.executor.controller(taskContext({ Image: image }));
    await expect(refused.prepare(never())).rejects.toThrow(
      `pull access denied for ${image}, repository does not exist or may require 'docker login'`,
    );
    await refused.remove();
    const wrong = auth({ ...BOB, password: 'guess' });
    await expect(bed.executor.images.pull(image, { auth: wrong })).rejects.toThrow(
      'pull access denied',
    );
    const context = taskContext({ Image: image }, { registryAuth: auth(BOB) });
    const controller = bed.executor.controller(context);
    await controller.prepare(never());
    await controller.start(never());
    expect(await controller.wait(never())).toMatchObject({ exitCode: 0 });
    await controller.remove();
  });

  it('says what is missing', async () => {
    await open.push('team/app', 'v1', {});
    const { images } = bed.executor;
    await expect(images.pull(`${open.host}/team/app:v9`)).rejects.toMatchObject({
      code: 'notFound',
      message: `manifest for ${open.host}/team/app:v9 not found: manifest unknown: manifest unknown`,
    });
    await expect(images.pull('127.0.0.1:9/nobody')).rejects.toMatchObject({ code: 'unavailable' });
    const controller = bed.executor.controller(taskContext({ Image: '127.0.0.1:9/nobody' }));
    await expect(controller.prepare(never())).rejects.toThrow(
      'No such image: 127.0.0.1:9/nobody (GET',
    );
    await controller.remove();
    await expect(images.pull('team/Upper')).rejects.toMatchObject({ code: 'invalid' });
  });

  it('takes the platform of this host out of several', async () => {
    const own = process.arch === 'arm64' ? 'arm64' : 'amd64';
    const other = own === 'amd64' ? 'arm64' : 'amd64';
    const descriptor = async (architecture: string) => {
      const tag = `only-${architecture}`;
      const digest = await open.push('multi', tag, { labels: { made: architecture } });
      const info = await bed.executor.images.resolveDigest(`${open.host}/multi:${tag}`);
      expect(info.descriptor.digest).toBe(digest);
      return { ...info.descriptor, platform: { os: 'linux', architecture } };
    };
    const manifests = [await descriptor(other), await descriptor(own)];
    const type = 'application/vnd.oci.image.index.v1+json';
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests }));
    const digest = await open.pushManifest('multi', 'latest', type, index);
    const { images } = bed.executor;
    const info = await images.resolveDigest(`${open.host}/multi`);
    expect(info.descriptor).toMatchObject({ digest, mediaType: type });
    expect(info.platforms.map(({ architecture }) => architecture)).toEqual([other, own]);
    const image = await images.pull(`${open.host}/multi`);
    expect(image.file.config?.Labels).toEqual({ made: own });
    expect(image.repoDigests).toEqual([`${open.host}/multi@${digest}`]);
    const strange = { os: 'linux', architecture: 's390x' };
    await expect(images.pull(`${open.host}/multi`, { platform: strange })).rejects.toThrow(
      'no matching manifest for linux/s390x in the manifest list entries',
    );
  });

  it('goes on where a broken connection ended', async () => {
    await open.push('big', 'latest', { files: [bigFile('broken')] });
    proxy = await startProxy(open, (path, body, count) =>
      path.includes('/blobs/') && body.length > 1_000_000 && count === 1
        ? { body: body.subarray(0, 2_000_000), cut: true }
        : undefined,
    );
    const image = await bed.executor.images.pull(`${proxy.host}/big`);
    expect(image.layers).toHaveLength(1);
    const ranges = proxy.seen.filter((request) => request.includes('bytes='));
    expect(ranges).toHaveLength(1);
    expect(ranges[0]).toMatch(/bytes=[1-9]\d*-$/);
  });

  it('refuses a layer whose content is not what its digest says', async () => {
    await open.push('big', 'latest', { files: [bigFile('spoiled')] });
    proxy = await startProxy(open, (path, body) => {
      if (!path.includes('/blobs/') || body.length < 1_000_000) return undefined;
      const spoiled = Buffer.from(body);
      spoiled[1_000_000] = 0;
      return { body: spoiled, cut: false };
    });
    await expect(bed.executor.images.pull(`${proxy.host}/big`)).rejects.toThrow(
      /filesystem layer verification failed for digest sha256:/,
    );
    await expect(bed.executor.images.inspect(`${proxy.host}/big`)).rejects.toThrow('No such image');
  });

  it('is done once for all who ask at one time', async () => {
    await open.push('shared', 'latest', { files: [bigFile('shared')] });
    proxy = await startProxy(open, () => undefined);
    const name = `${proxy.host}/shared`;
    const pulls = Array.from({ length: 5 }, () => bed.executor.images.pull(name));
    const ids = new Set((await Promise.all(pulls)).map(({ id }) => id));
    expect(ids.size).toBe(1);
    expect(proxy.seen.filter((request) => request.includes('/blobs/'))).toHaveLength(2);
  });
});

describe('archives', () => {
  it.each(['docker', 'oci'] as const)('of the form %s are loaded and inspected', async (format) => {
    const archive = await busyboxArchive({
      names: ['local/tool:2', 'local/tool:newest'],
      format,
      entrypoint: ['/bin/sh', '-c'],
      cmd: ['exit 4'],
      env: ['A=1'],
      user: 'app',
      workingDir: '/tmp',
      exposedPorts: ['80/tcp'],
      labels: { x: 'y' },
      stopSignal: 'SIGINT',
    });
    const { images } = bed.executor;
    const loaded = await images.load(chunks(archive));
    expect(loaded.flatMap(({ names }) => names)).toEqual(['local/tool:2', 'local/tool:newest']);
    const image = await images.inspect('local/tool:2');
    expect(image.id).toBe(loaded[0]?.id);
    expect(image.repoTags).toEqual(['local/tool:2', 'local/tool:newest']);
    expect(image.repoDigests).toEqual([]);
    expect(image.file.config).toMatchObject({
      Entrypoint: ['/bin/sh', '-c'],
      Cmd: ['exit 4'],
      User: 'app',
      StopSignal: 'SIGINT',
      Labels: { x: 'y' },
      ExposedPorts: { '80/tcp': {} },
    });
    expect((await images.resolve(image.id.slice(7, 19)))?.id).toBe(image.id);
    const controller = bed.executor.controller(taskContext({ Image: 'local/tool:2' }));
    await controller.prepare(never());
    await controller.start(never());
    expect(await controller.wait(never())).toMatchObject({ exitCode: 4 });
    await controller.remove();
  });

  it('are refused when they are none', async () => {
    await expect(bed.executor.images.load(chunks(Buffer.alloc(2048)))).rejects.toMatchObject({
      code: 'invalid',
    });
    await expect(bed.executor.images.load(chunks(Buffer.from('no tar')))).rejects.toThrow();
  });
});

describe('names', () => {
  it('are added, moved and taken away one by one', async () => {
    const { images } = bed.executor;
    await images.load(chunks(await busyboxArchive({ names: ['one:1'], cmd: ['a'] })));
    await images.load(chunks(await busyboxArchive({ names: ['two:1'], cmd: ['b'] })));
    await images.tag('one:1', 'also:1');
    expect((await images.inspect('one:1')).repoTags).toEqual(['also:1', 'one:1']);
    await expect(images.remove((await images.inspect('one:1')).id)).rejects.toThrow(
      'image is referenced in multiple repositories',
    );
    expect(await images.remove('one:1')).toEqual([{ untagged: 'one:1' }]);
    await images.tag('two:1', 'also:1');
    expect((await images.inspect('also:1')).file.config?.Cmd).toEqual(['b']);
    await expect(images.inspect('one:1')).rejects.toThrow('No such image: one:1');
    await images.load(chunks(await busyboxArchive({ names: ['three:1'], cmd: ['c'] })));
    // Its removal runs containerd's garbage collector; what has a name outlives it.
    await images.remove('three:1');
    const context = taskContext({ Image: 'also:1', Command: ['true'] });
    const controller = bed.executor.controller(context);
    await controller.prepare(never());
    await controller.start(never());
    expect(await controller.wait(never())).toMatchObject({ exitCode: 0 });
    await controller.remove();
    await expect(images.tag('gone:1', 'x:1')).rejects.toThrow('No such image: gone:1');
  });
});
