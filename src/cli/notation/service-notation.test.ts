// The notations of flags.
import { describe, expect, it } from 'vitest';
import {
  parseEnv,
  parseMount,
  parseNetwork,
  parsePairs,
  parsePorts,
  splitWords,
} from './service-notation.ts';

describe('ports', () => {
  const tcp = { Protocol: 'tcp', PublishMode: 'ingress' };

  it.each([
    ['80', [{ ...tcp, TargetPort: 80 }]],
    ['8080:80', [{ ...tcp, TargetPort: 80, PublishedPort: 8080 }]],
    ['53:53/udp', [{ ...tcp, Protocol: 'udp', TargetPort: 53, PublishedPort: 53 }]],
    [
      '8080-8081:80-81',
      [
        { ...tcp, TargetPort: 80, PublishedPort: 8080 },
        { ...tcp, TargetPort: 81, PublishedPort: 8081 },
      ],
    ],
    [
      'published=8080,target=80,mode=host',
      [{ ...tcp, TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' }],
    ],
    ['target=80,protocol=udp', [{ ...tcp, Protocol: 'udp', TargetPort: 80 }]],
    ['127.0.0.1:8080:80', [{ ...tcp, TargetPort: 80, PublishedPort: 8080, HostIP: '127.0.0.1' }]],
    ['[fd00::1]:8080:80', [{ ...tcp, TargetPort: 80, PublishedPort: 8080, HostIP: 'fd00::1' }]],
  ])('%s', (text, expected) => {
    expect(parsePorts(text)).toEqual(expected);
  });

  it.each([
    ['web', 'invalid port "web": use [PUBLISHED:]TARGET[/tcp|udp]'],
    ['80-90:80', 'both ranges must have the same length'],
    ['90-80:90-80', 'invalid port range'],
    ['0:80', 'invalid port range 0'],
    ['80:70000', 'invalid port range 70000'],
    ['published=80', 'target is required'],
    ['target=80,mode=hst', 'invalid publish mode "hst": use ingress or host'],
    ['target=80,flavour=x', 'unexpected key "flavour"'],
    ['published=many,target=80', 'invalid port "published=many,target=80"'],
    ['target=70000', 'invalid port "target=70000"'],
  ])('%s is refused', (text, message) => {
    expect(() => parsePorts(text)).toThrow(message);
  });
});

describe('mounts', () => {
  it.each([
    ['type=bind,src=/a,dst=/b,ro', { Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true }],
    ['source=v,target=/b', { Type: 'volume', Source: 'v', Target: '/b' }],
    [
      'type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777',
      { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 2 ** 20, Mode: 0o1777 } },
    ],
    [
      'type=volume,target=/t,volume-nocopy',
      { Type: 'volume', Target: '/t', VolumeOptions: { NoCopy: true } },
    ],
    [
      'type=bind,src=/a,dst=/b,bind-propagation=rslave',
      { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { Propagation: 'rslave' } },
    ],
    [
      'source=v,target=/b,volume-driver=local,volume-label=a=1,volume-label=b',
      {
        Type: 'volume',
        Source: 'v',
        Target: '/b',
        VolumeOptions: { Labels: { a: '1', b: '' }, DriverConfig: { Name: 'local' } },
      },
    ],
    [
      'type=bind,src=/a,dst=/b,bind-nonrecursive',
      { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { NonRecursive: true } },
    ],
  ])('%s', (text, expected) => {
    expect(parseMount(text)).toEqual(expected);
  });

  it.each([
    ['type=disk,target=/x', 'invalid mount type "disk": use bind, volume or tmpfs'],
    ['type=bind,src=/a', 'target is required'],
    ['type=bind,from=/a', 'unexpected key "from"'],
  ])('%s is refused', (text, message) => {
    expect(() => parseMount(text)).toThrow(message);
  });
});

describe('networks', () => {
  it.each([
    ['front', { Target: 'front' }],
    ['name=front,alias=a,alias=b', { Target: 'front', Aliases: ['a', 'b'] }],
    [
      'name=front,ip=10.0.1.9,driver-opt=k=v',
      { Target: 'front', DriverOpts: { 'tsswarm.ipv4_address': '10.0.1.9', k: 'v' } },
    ],
  ])('%s', (text, expected) => {
    expect(parseNetwork(text)).toEqual(expected);
  });

  it.each([
    ['alias=a', 'name is required'],
    ['name=a,mac=1', 'unexpected key "mac"'],
  ])('%s is refused', (text, message) => {
    expect(() => parseNetwork(text)).toThrow(message);
  });
});

it('pairs', () => {
  expect(parsePairs(['a=1', 'b', 'c=x=y'])).toEqual({ a: '1', b: '', c: 'x=y' });
});

it('environment: the last one counts, bare names come from outside', () => {
  expect(parseEnv(['A=1', 'B', 'NONE', 'A=2'], { B: 'b' })).toEqual(['A=2', 'B=b']);
});

describe('words', () => {
  it.each([
    ['a b  c', ['a', 'b', 'c']],
    [`a 'b c' "d e"`, ['a', 'b c', 'd e']],
    [`a\\ b`, ['a b']],
    [`"a \\" b"`, ['a " b']],
    [`'a \\ b'`, ['a \\ b']],
    [`--x="y z"`, ['--x=y z']],
    [`''`, ['']],
    ['', []],
  ])('%j', (text, expected) => {
    expect(splitWords(text)).toEqual(expected);
  });

  it('an open quote is refused', () => {
    expect(() => splitWords(`a 'b`)).toThrow('a quote is not closed');
  });
});
