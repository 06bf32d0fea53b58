// Stack files as a whole: what is refused and how, short and long forms, variables, merging.
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { filesOf, loadStack, type Loaded } from './load.ts';
import type { ComposeService } from '../source/index.ts';
import { FILE_SCHEMA } from '../schema/index.ts';

const directories = { base: '/stack', home: '/home/me' };

function load(text: string | readonly string[], environment: Record<string, string> = {}): Loaded {
  const files = [text].flat().map((one, i) => ({ name: `${'abc'.charAt(i)}.yaml`, text: one }));
  return loadStack(files, { environment, directories });
}

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'no error';
}

/** One service "web" with these lines below `image`. */
const web = (lines: string): string =>
  `services:\n  web:\n    image: a\n${lines.replace(/^(?=.)/gm, '    ')}\n`;

const service = (lines: string, environment?: Record<string, string>): ComposeService =>
  load(web(lines), environment).model.services['web'] ?? {};

describe('bad input, told with its place', () => {
  it.each([
    [
      'broken YAML',
      'services:\n  web:\n    image: a\n   command: b\n',
      'a.yaml:4:1: All mapping items must start at the same column',
    ],
    [
      'an unknown key in a service',
      'services:\n  web:\n    image: a\n    replica: 3\n    comand: x\n',
      'a.yaml:4:5: services.web.replica: unknown key "replica": did you mean "deploy.replicas"?\n' +
        'a.yaml:5:5: services.web.comand: unknown key "comand": did you mean "command"?',
    ],
    [
      'an unknown key in deploy',
      web('deploy:\n  replica: 3'),
      'a.yaml:5:7: services.web.deploy.replica: unknown key "replica": did you mean "replicas"?',
    ],
    [
      'an unknown key at the top',
      'service:\n  web: {image: a}\n',
      'a.yaml:1:1: service: unknown key "service": did you mean "services"?',
    ],
    [
      'an unknown key without a near one',
      web('logging: {flavour: x}'),
      'a.yaml:4:15: services.web.logging.flavour: unknown key "flavour" (known are driver, options)',
    ],
    [
      'a text for a number',
      web('deploy:\n  replicas: three'),
      'a.yaml:5:17: services.web.deploy.replicas: must be a whole number, found the string "three"',
    ],
    [
      'a mapping for a list',
      web('ports:\n  web: 80'),
      'a.yaml:5:7: services.web.ports: must be a list, found a mapping',
    ],
    [
      'a number for a duration',
      web('stop_grace_period: 10'),
      'a.yaml:4:24: services.web.stop_grace_period: must be a duration such as 10s or 1m30s, found the number 10',
    ],
    [
      'a list where a text or mapping is due',
      web('secrets: [[x]]'),
      'a.yaml:4:15: services.web.secrets[0]: must be a mapping or a string, found a list',
    ],
    [
      'nothing where a mapping is due',
      'services:\n  web:\n',
      'a.yaml:2:7: services.web: must be a mapping, found nothing',
    ],
    [
      'a word that is not one of those allowed',
      web('deploy: {mode: gobal}'),
      'a.yaml:4:20: services.web.deploy.mode: must be one of replicated, global, found the string "gobal": did you mean "global"?',
    ],
    [
      'a negative number',
      web('deploy: {replicas: -1}'),
      'a.yaml:4:24: services.web.deploy.replicas: must be at least 0, found the number -1',
    ],
    [
      'a port that is none',
      web('ports: [{target: 70000}]'),
      'a.yaml:4:22: services.web.ports[0].target: must be a port from 1 to 65535, found the number 70000',
    ],
    [
      'a missing key',
      web('volumes: [{target: /x}]'),
      'a.yaml:4:15: services.web.volumes[0]: "type" is missing',
    ],
    [
      'an unknown network',
      `${web('networks: [frnt]')}networks: {front: {}}\n`,
      'a.yaml:4:16: services.web.networks[0]: network "frnt" is not declared under "networks": did you mean "front"?',
    ],
    [
      'an unknown network in a mapping',
      `${web('networks:\n  frnt:\n    aliases: [x]')}networks: {front: {}, back: {}}\n`,
      'a.yaml:6:9: services.web.networks.frnt: network "frnt" is not declared under "networks": did you mean "front"?',
    ],
    [
      'an unknown secret',
      web('secrets: [key]'),
      'a.yaml:4:15: services.web.secrets[0]: secret "key" is not declared under "secrets"',
    ],
    [
      'an unknown config in the long form',
      `${web('configs:\n  - source: pge')}configs: {page: {content: x}}\n`,
      'a.yaml:5:9: services.web.configs[0]: config "pge" is not declared under "configs": did you mean "page"?',
    ],
    [
      'an unknown volume',
      web("volumes: ['data:/data']"),
      'a.yaml:4:15: services.web.volumes[0]: volume "data" is not declared under "volumes"',
    ],
    [
      'no image',
      'services:\n  web:\n    build: .\n',
      'a.yaml:3:5: services.web: "image" is missing: stacks run images that are built before',
    ],
    ['no services', 'networks: {a: {}}\n', 'a.yaml:1:1: there are no services in the file'],
    ['an empty file', '', 'a.yaml: the file is empty'],
    ['a list', '- a\n', 'a.yaml:1:1: must be a mapping, found a list'],
    [
      'a variable that must be set',
      web('command: x ${V:?say which}'),
      'a.yaml:4:14: services.web.command: required variable V is missing a value: say which',
    ],
    [
      'a variable that is no number',
      web('deploy: {replicas: "${N:-many}"}'),
      'a.yaml:4:24: services.web.deploy.replicas: must be a whole number, found the string "many"',
    ],
    [
      'a bad short port',
      web("ports: ['80:90:100']"),
      'a.yaml:4:13: services.web.ports[0]: invalid port "80:90:100": use [PUBLISHED:]TARGET[/tcp|udp]',
    ],
    [
      'port ranges of unequal length',
      web("ports: ['80-82:90-91']"),
      'a.yaml:4:13: services.web.ports[0]: invalid port "80-82:90-91": both ranges must have the same length',
    ],
    [
      'a relative path in the container',
      web("volumes: ['/a:b']"),
      'a.yaml:4:15: services.web.volumes[0]: invalid volume "/a:b": the path in the container must be absolute',
    ],
    [
      'an option that volumes lack',
      web("volumes: ['/a:/b:rox']"),
      'a.yaml:4:15: services.web.volumes[0]: invalid option "rox" of volume "/a:/b:rox": use ro, rw or nocopy',
    ],
    [
      'an open quote in a command',
      web('command: "echo \'x"'),
      'a.yaml:4:14: services.web.command: a quote is not closed in "echo \'x"',
    ],
    [
      'a key that stacks lack',
      web('extends: {service: x}'),
      'a.yaml:4:5: services.web.extends: is not available in stack files: use YAML anchors, or several files with -c',
    ],
    [
      'include',
      `include: [b.yaml]\n${web('')}`,
      'a.yaml:1:1: include: is not available in stack files: give each file with -c',
    ],
    [
      'a secret without content',
      `${web('')}secrets:\n  key: {labels: {a: b}}\n`,
      'a.yaml:6:8: secrets.key: "file", "content" or "environment" is missing',
    ],
    [
      'a secret with two contents',
      `${web('')}secrets:\n  key: {file: a, content: b}\n`,
      "a.yaml:6:8: secrets.key: can't have file and content at once",
    ],
    [
      'network_mode beside networks',
      `${web('network_mode: host\nnetworks: [n]')}networks: {n: {}}\n`,
      `a.yaml:4:19: services.web.network_mode: can't stand beside "networks"`,
    ],
  ])('%s', (_name, text, message) => {
    expect(messageOf(() => load(text))).toBe(message);
  });

  it('names the file among several', () => {
    const second = 'services:\n  web:\n    networks: [nt]\n';
    expect(messageOf(() => load([web(''), second]))).toBe(
      'b.yaml:3:16: services.web.networks[0]: network "nt" is not declared under "networks"',
    );
  });

  it('tells ten findings at once, and how many more there are', () => {
    const keys = Array.from({ length: 13 }, (_, i) => `zz${i}: 1`).join('\n');
    const lines = messageOf(() => load(web(keys))).split('\n');
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe('… and 3 more');
  });
});

describe('what is ignored is said', () => {
  it.each([
    ['build: .\nprivileged: true', 'Ignoring unsupported options: build, privileged (service web)'],
    [
      'depends_on: {db: {condition: service_started}}',
      'Ignoring unsupported options: depends_on (service web)',
    ],
    [
      'network_mode: service:db',
      'Ignoring unsupported options: network_mode service:db (service web)',
    ],
    [
      'deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}',
      'Ignoring unsupported options: deploy.resources.reservations.devices (service web)',
    ],
    ['stdin_open: true', 'Ignoring unsupported options: stdin_open without tty (service web)'],
    [
      'ports: [{target: 80, app_protocol: http}]',
      'Ignoring unsupported options: ports.app_protocol (service web)',
    ],
    [
      'volumes: [{type: bind, source: /x, target: /y, bind: {selinux: z}}]',
      'Ignoring unsupported options: volumes.bind.selinux (service web)',
    ],
    ['command: $NONE', 'The "NONE" variable is not set. Defaulting to a blank string.'],
  ])('%j', (lines, warning) => {
    expect(load(web(lines)).warnings).toEqual([warning]);
  });

  it('says nothing of x- keys and the version that everybody writes', () => {
    const text = `version: '3.8'\nx-common: &c {image: a}\nservices: {web: {<<: *c, x-note: 1}}\n`;
    expect(load(text).warnings).toEqual([]);
  });

  it('says that names, other versions and cluster volumes change nothing', () => {
    const text = `version: '2.4'\nname: n\nservices: {web: {image: a}}\nvolumes: {v: {x-cluster-spec: {}}}\n`;
    expect(load(text).warnings).toEqual([
      'Ignoring version "2.4" of a.yaml: it changes nothing here',
      'Ignoring name "n" of a.yaml: the command names the stack',
      'Ignoring unsupported options: x-cluster-spec (volumes.v)',
    ]);
  });
});

describe('what would be something else without it is refused', () => {
  it.each([
    ['deploy: {resources: {reservations: {generic_resources: [{}]}}}', 'generic_resources: is not'],
    ['isolation: hyperv', 'isolation: is for Windows'],
    [
      'volumes: [{type: tmpfs, target: /y, bind: {propagation: private}}]',
      'volumes[0]: "bind" is for mounts of that type',
    ],
    [
      'volumes: [{type: bind, source: /x, target: /y, bind: {recursive: x}}]',
      'must be one of enabled',
    ],
  ])('%s', (lines, message) => {
    expect(messageOf(() => load(web(lines)))).toContain(message);
  });

  it.each([
    ['networks: {n: {ipam: {driver: x}}}', 'networks.n.ipam.driver: the managers give out'],
    ['networks: {n: {ipam: {options: {a: b}}}}', 'networks.n.ipam.options: is not available'],
    [
      'networks: {n: {ipam: {config: [{ip_range: x}]}}}',
      'ipam.config[0].ip_range: is not available',
    ],
    ['networks: {n: {ipam: {config: [{aux_addresses: {}}]}}}', 'aux_addresses: is not available'],
    ['networks: {n: {enable_ipv4: false}}', 'networks.n.enable_ipv4: every network has IPv4'],
    ['configs: {c: {content: x, template_driver: golang}}', 'template_driver: is not available'],
    ['secrets: {c: {driver: x}}', 'secrets.c.driver: is not available'],
  ])('%s', (section, message) => {
    expect(messageOf(() => load(`services: {web: {image: a}}\n${section}\n`))).toContain(message);
  });
});

describe('short and long forms', () => {
  it.each([
    ['ports: [80]', { ports: [{ target: 80, protocol: 'tcp', mode: 'ingress' }] }],
    [
      "ports: ['8080-8081:80-81/udp']",
      {
        ports: [
          { target: 80, published: 8080, protocol: 'udp', mode: 'ingress' },
          { target: 81, published: 8081, protocol: 'udp', mode: 'ingress' },
        ],
      },
    ],
    [
      "ports: [{target: 80, published: '8080', mode: host}]",
      { ports: [{ target: 80, published: 8080, protocol: 'tcp', mode: 'host' }] },
    ],
    ['command: sh -c "a b" c\\ d', { command: ['sh', '-c', 'a b', 'c d'] }],
    ['command: [a, b c]', { command: ['a', 'b c'] }],
    ['environment: [A=1, B, C=x=y]', { environment: { A: '1', B: null, C: 'x=y' } }],
    ['environment: {A: 1, B:, C: true}', { environment: { A: '1', B: null, C: 'true' } }],
    ['labels: [a=1, b]', { labels: { a: '1', b: '' } }],
    ['env_file: a.env', { env_file: [{ path: '/stack/a.env', required: true }] }],
    [
      'env_file: [/b.env, {path: ./c.env, required: false}]',
      {
        env_file: [
          { path: '/b.env', required: true },
          { path: '/stack/c.env', required: false },
        ],
      },
    ],
    ['healthcheck: {test: curl x}', { healthcheck: { test: ['CMD-SHELL', 'curl x'] } }],
    ['healthcheck: {disable: true}', { healthcheck: { disable: true } }],
    ['dns: 1.1.1.1', { dns: ['1.1.1.1'] }],
    [
      "extra_hosts: ['a:1.2.3.4', 'b=::1', 'c:[::1]']",
      { extra_hosts: ['a=1.2.3.4', 'b=::1', 'c=::1'] },
    ],
    ['extra_hosts: {a: 1.2.3.4}', { extra_hosts: ['a=1.2.3.4'] }],
    ['sysctls: {net.core.somaxconn: 1024}', { sysctls: { 'net.core.somaxconn': '1024' } }],
    [
      "volumes: ['./data:/data:ro']",
      { volumes: [{ type: 'bind', source: '/stack/data', target: '/data', read_only: true }] },
    ],
    ["volumes: ['~/x:/x:z']", { volumes: [{ type: 'bind', source: '/home/me/x', target: '/x' }] }],
    ['volumes: [/anonymous]', { volumes: [{ type: 'volume', target: '/anonymous' }] }],
    [
      'tmpfs: /run:size=64m,mode=755',
      { volumes: [{ type: 'tmpfs', target: '/run', tmpfs: { size: '64m', mode: 0o755 } }] },
    ],
    [
      'mem_limit: 64M\ncpus: 0.5\npids_limit: 9\nmem_reservation: 32M\nscale: 2',
      {
        deploy: {
          replicas: 2,
          resources: {
            limits: { cpus: 0.5, memory: '64M', pids: 9 },
            reservations: { memory: '32M' },
          },
        },
      },
    ],
    [
      'mem_limit: 64M\ndeploy: {resources: {limits: {memory: 32M}}}',
      { deploy: { resources: { limits: { memory: '32M' }, reservations: {} } } },
    ],
  ])('%j', (lines, expected) => {
    expect(service(lines)).toEqual({ image: 'a', ...expected });
  });

  it('makes numbers and booleans out of variables where only those fit', () => {
    const lines =
      'tty: ${T}\nenvironment: {V: "${V}"}\ndeploy: {replicas: "${N}", resources: {limits: {cpus: "${C}"}}}';
    expect(service(lines, { T: 'true', V: '1.10', N: '3', C: '0.50' })).toEqual({
      image: 'a',
      tty: true,
      environment: { V: '1.10' },
      deploy: { replicas: 3, resources: { limits: { cpus: '0.50' } } },
    });
  });

  it('lists the files to read', () => {
    const text = `${web('env_file: [{path: e, required: false}]\nsecrets: [s]')}secrets:\n  s: {file: ./s.txt}\n  t: {external: true}\n`;
    expect(filesOf(load(text).model)).toEqual([
      { path: '/stack/e', required: false },
      { path: '/stack/s.txt', required: true },
    ]);
  });
});

describe('several files', () => {
  const merged = (first: string, second: string): ComposeService =>
    load([web(first), second === '' ? '' : web(second).replace('    image: a\n', '')]).model
      .services['web'] ?? {};

  it.each([
    ['values are replaced', 'hostname: a', 'hostname: b', { hostname: 'b' }],
    ['commands are replaced', 'command: [a, b]', 'command: c', { command: ['c'] }],
    ['a command can be taken away', 'command: [a, b]', 'command: null', { command: null }],
    ['lists are appended, without doubles', 'dns: [a, b]', 'dns: [b, c]', { dns: ['a', 'b', 'c'] }],
    [
      'environment by name',
      'environment: [A=1, B=2]',
      'environment: {B: 3}',
      { environment: { A: '1', B: '3' } },
    ],
    [
      'mounts by target',
      "volumes: ['/a:/x', '/b:/y']",
      "volumes: ['/c:/x:ro']",
      {
        volumes: [
          { type: 'bind', source: '/c', target: '/x', read_only: true },
          { type: 'bind', source: '/b', target: '/y' },
        ],
      },
    ],
    [
      'ports by what is published',
      "ports: ['80:80']",
      "ports: ['8080:80', '80:81']",
      {
        ports: [
          { target: 81, published: 80, protocol: 'tcp', mode: 'ingress' },
          { target: 80, published: 8080, protocol: 'tcp', mode: 'ingress' },
        ],
      },
    ],
    [
      'logging of one driver is merged',
      'logging: {driver: d, options: {a: "1"}}',
      'logging: {options: {b: "2"}}',
      { logging: { driver: 'd', options: { a: '1', b: '2' } } },
    ],
    [
      'logging of another driver is replaced',
      'logging: {driver: d, options: {a: "1"}}',
      'logging: {driver: e}',
      { logging: { driver: 'e' } },
    ],
    [
      'deploy is merged deeply',
      'deploy: {replicas: 2, placement: {constraints: [a==b]}}',
      'deploy: {replicas: 3, placement: {constraints: [c==d]}}',
      { deploy: { replicas: 3, placement: { constraints: ['a==b', 'c==d'] } } },
    ],
  ])('%s', (_name, first, second, expected) => {
    expect(merged(first, second)).toEqual({ image: 'a', ...expected });
  });

  it('adds services and networks', () => {
    const { model } = load([
      web('networks: [n]').concat('networks: {n: {internal: true}}\n'),
      'services: {api: {image: b}}\nnetworks: {n: {attachable: true}}\n',
    ]);
    expect(Object.keys(model.services)).toEqual(['web', 'api']);
    expect(model.networks['n']).toEqual({ internal: true, attachable: true });
  });
});

it('the schema is a JSON schema', () => {
  const ajv = new Ajv();
  ajv.addKeyword('expects');
  expect(ajv.validateSchema(FILE_SCHEMA)).toBe(true);
});
