// From stack files to calls of the Engine API: specs, plans, what is refused before the first call.
import { describe, expect, it } from 'vitest';
import type { Loose, WireService, WireServiceSpec } from '../../client/index.ts';
import { convertStack, type DesiredStack } from '../convert/index.ts';
import { loadStack } from '../load/index.ts';
import { bindIds, idsOf, type ExistingObjects } from './existing-objects.ts';
import {
  imagesToResolve,
  planStack,
  planText,
  type PlanOptions,
  type StackPlan,
} from './stack-plan.ts';

const NOTHING: ExistingObjects = { services: [], networks: [], secrets: [], configs: [] };
const OPTIONS: PlanOptions = { prune: false, digests: new Map() };
const META = { ID: '', Version: { Index: 7 }, CreatedAt: '', UpdatedAt: '' };

function desired(text: string, files: Record<string, string> = {}, stack = 's'): DesiredStack {
  const environment = { FROM_OUTSIDE: 'o' };
  const directories = { base: '/d', home: '/h' };
  const { model } = loadStack([{ name: 'f', text }], { environment, directories });
  const contents = Object.entries(files).map(([path, one]) => [path, Buffer.from(one)] as const);
  return convertStack({ stack, model, environment, files: new Map(contents) });
}

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'no error';
}

/** The cluster after the plan was carried out, with ids in place of names. */
function after(plan: StackPlan, before: ExistingObjects = NOTHING): ExistingObjects {
  const state = {
    services: [...before.services],
    networks: [...before.networks],
    secrets: [...before.secrets],
    configs: [...before.configs],
  };
  for (const step of plan.steps) {
    if (step.action !== 'create') continue;
    const { kind, name, body } = step;
    const ID = `id-${name}`;
    if (kind === 'network') {
      const Labels = body['Labels'] as Record<string, string>;
      state.networks.push({
        Id: ID,
        Name: name,
        Driver: String(body['Driver']),
        Scope: 'swarm',
        Labels,
      });
    } else if (kind === 'service') {
      const Spec = bindIds(body, idsOf(state)) as unknown as WireServiceSpec;
      state.services.push({ ...META, ID, Spec });
    } else {
      const { Data, ...rest } = body as { Name: string; Data: string };
      state[`${kind}s`].push({ ...META, ID, Spec: kind === 'config' ? { ...rest, Data } : rest });
    }
  }
  return state;
}

const deploy = (text: string, files: Record<string, string> = {}, stack = 's'): ExistingObjects =>
  after(planStack(desired(text, files, stack), NOTHING, OPTIONS));

const textOf = (
  text: string,
  existing: ExistingObjects,
  options: Partial<PlanOptions> = {},
): string => planText(planStack(desired(text), existing, { ...OPTIONS, ...options }));

describe('specs', () => {
  const specOf = (lines: string): Loose => {
    const text = `services:\n  web:\n    image: a:1\n${lines.replace(/^(?=.)/gm, '    ')}\n`;
    return desired(text).services[0]?.spec ?? {};
  };
  const container = (lines: string): Loose => {
    const { ContainerSpec } = specOf(lines)['TaskTemplate'] as { ContainerSpec: Loose };
    const { Image: _image, Labels: _labels, ...rest } = ContainerSpec;
    return rest;
  };

  it('of the smallest service', () => {
    expect(specOf('')).toEqual({
      Name: 's_web',
      Labels: { 'com.docker.stack.namespace': 's', 'com.docker.stack.image': 'a:1' },
      TaskTemplate: {
        ContainerSpec: { Image: 'a:1', Labels: { 'com.docker.stack.namespace': 's' } },
        Networks: [{ Target: 's_default', Aliases: ['web'] }],
      },
      Mode: { Replicated: {} },
    });
  });

  it.each([
    ['entrypoint: /x\ncommand: [a, b]', { Command: ['/x'], Args: ['a', 'b'] }],
    [
      'environment: {B: 2, A: 1, FROM_OUTSIDE:, NOWHERE:}',
      { Env: ['A=1', 'B=2', 'FROM_OUTSIDE=o'] },
    ],
    [
      'stop_grace_period: 1m30s\nstop_signal: SIGINT',
      { StopGracePeriod: 90e9, StopSignal: 'SIGINT' },
    ],
    [
      'cap_add: [net_admin, CAP_SYS_TIME]\ncap_drop: [ALL]',
      { CapabilityAdd: ['CAP_NET_ADMIN', 'CAP_SYS_TIME'], CapabilityDrop: ['ALL'] },
    ],
    ['init: false\ntty: true\nread_only: true', { Init: false, TTY: true, ReadOnly: true }],
    ["extra_hosts: ['db:10.0.0.1']", { Hosts: ['10.0.0.1 db'] }],
    [
      'ulimits: {nofile: 10, nproc: {soft: 1, hard: 2}}',
      {
        Ulimits: [
          { Name: 'nofile', Soft: 10, Hard: 10 },
          { Name: 'nproc', Soft: 1, Hard: 2 },
        ],
      },
    ],
    ['healthcheck: {disable: true}', { Healthcheck: { Test: ['NONE'] } }],
    [
      'healthcheck: {test: [CMD, x], interval: 5s, timeout: 1s, retries: 2, start_period: 3s, start_interval: 100ms}',
      {
        Healthcheck: {
          Test: ['CMD', 'x'],
          Interval: 5e9,
          Timeout: 1e9,
          Retries: 2,
          StartPeriod: 3e9,
          StartInterval: 1e8,
        },
      },
    ],
    [
      "volumes: ['./a:/b:ro,rslave']",
      {
        Mounts: [
          {
            Type: 'bind',
            Source: '/d/a',
            Target: '/b',
            ReadOnly: true,
            BindOptions: { Propagation: 'rslave' },
          },
        ],
      },
    ],
    [
      'tmpfs: /run:size=1m,mode=700',
      {
        Mounts: [
          { Type: 'tmpfs', Target: '/run', TmpfsOptions: { SizeBytes: 2 ** 20, Mode: 0o700 } },
        ],
      },
    ],
    [
      'dns: [1.1.1.1]\ndns_search: x\ndns_opt: [ndots:2]',
      { DNSConfig: { Nameservers: ['1.1.1.1'], Search: ['x'], Options: ['ndots:2'] } },
    ],
    ['security_opt: [no-new-privileges:true]', { Privileges: { NoNewPrivileges: true } }],
    ['group_add: [5, video]\nuser: "1:2"', { Groups: ['5', 'video'], User: '1:2' }],
  ])('container: %j', (lines, expected) => {
    expect(container(lines)).toEqual(expected);
  });

  it.each([
    ['deploy: {mode: global}', { Mode: { Global: {} } }],
    ['deploy: {replicas: 0}', { Mode: { Replicated: { Replicas: 0 } } }],
    [
      'deploy: {update_config: {order: start-first}}',
      { UpdateConfig: { Parallelism: 1, Order: 'start-first' } },
    ],
    [
      'deploy: {rollback_config: {parallelism: 0, monitor: 2s, max_failure_ratio: 0.5}}',
      { RollbackConfig: { Parallelism: 0, Monitor: 2e9, MaxFailureRatio: 0.5 } },
    ],
    [
      "ports: ['8080:80']\ndeploy: {endpoint_mode: vip}",
      {
        EndpointSpec: {
          Mode: 'vip',
          Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' }],
        },
      },
    ],
  ])('service: %j', (lines, expected) => {
    expect(specOf(lines)).toMatchObject(expected);
  });

  it.each([
    ['restart: always', { RestartPolicy: { Condition: 'any' } }],
    ['restart: on-failure:3', { RestartPolicy: { Condition: 'on-failure', MaxAttempts: 3 } }],
    ['restart: no', { RestartPolicy: { Condition: 'none' } }],
    [
      'restart: always\ndeploy: {restart_policy: {condition: none, delay: 1s}}',
      { RestartPolicy: { Condition: 'none', Delay: 1e9 } },
    ],
    [
      'deploy: {resources: {limits: {cpus: "0.5", memory: 64M, pids: 9}, reservations: {cpus: 0.25}}}',
      {
        Resources: {
          Limits: { NanoCPUs: 5e8, MemoryBytes: 64 * 2 ** 20, Pids: 9 },
          Reservations: { NanoCPUs: 25e7 },
        },
      },
    ],
    [
      'deploy: {placement: {constraints: [node.role==worker], preferences: [{spread: node.labels.z}], max_replicas_per_node: 2}}',
      {
        Placement: {
          Constraints: ['node.role==worker'],
          Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.z' } }],
          MaxReplicas: 2,
        },
      },
    ],
    ['network_mode: host', { Networks: [{ Target: 'host' }] }],
    [
      'logging: {driver: json-file, options: {max-size: 1m}}',
      { LogDriver: { Name: 'json-file', Options: { 'max-size': '1m' } } },
    ],
  ])('task: %j', (lines, expected) => {
    expect(specOf(lines)['TaskTemplate']).toMatchObject(expected);
  });

  it.each([
    [
      'restart: sometimes',
      'services.web: restart "sometimes" is unknown: use no, always, unless-stopped or on-failure[:N]',
    ],
    [
      'deploy: {mode: global, replicas: 2}',
      'services.web: deploy.replicas can only be used with the mode replicated',
    ],
    [
      'stop_grace_period: 1d',
      'services.web: invalid duration "1d": use a number with ns, us, ms, s, m or h, such as 1m30s',
    ],
    [
      'mem_limit: lots',
      'services.web: invalid size "lots": use a number with k, m or g, such as 512M',
    ],
    [
      'mem_limit: 1M',
      'services.web: invalid memory value 1048576 bytes in limits: must be at least 4MiB',
    ],
    [
      'deploy: {placement: {constraints: [node.role=worker]}}',
      'services.web: constraint "node.role=worker" is not of the form key==value or key!=value',
    ],
    ["volumes: ['/a:/x', {type: tmpfs, target: /x}]\n", 'services.web: duplicate mount point: /x'],
    [
      'security_opt: [apparmor:x]',
      'services.web: security_opt "apparmor:x" is not available: use no-new-privileges:true or seccomp:unconfined',
    ],
    [
      "ports: ['80:80']\ndeploy: {endpoint_mode: dnsrr}",
      "services.web: EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
    ],
  ])('%j is refused', (lines, message) => {
    expect(messageOf(() => specOf(lines))).toBe(message);
  });

  it('volumes, secrets, configs, networks carry the names that they have in the cluster', () => {
    const text = `
services:
  web:
    image: a
    volumes: [data:/d, ext:/e]
    secrets: [key, {source: own, target: x, mode: 0400, uid: 5}]
    configs: [page]
    networks: {front: {aliases: [www]}, out: {}}
networks: {front: {}, out: {external: true, name: world}}
volumes: {data: {driver_opts: {o: bind, device: /d}, labels: {l: m}}, ext: {external: true}}
secrets: {key: {content: k}, own: {name: named, content: o}}
configs: {page: {content: p}}
`;
    const template = desired(text).services[0]?.spec['TaskTemplate'];
    expect(template).toMatchObject({
      Networks: [
        { Target: 's_front', Aliases: ['www', 'web'] },
        { Target: 'world', Aliases: ['web'] },
      ],
      ContainerSpec: {
        Mounts: [
          {
            Type: 'volume',
            Source: 's_data',
            Target: '/d',
            VolumeOptions: {
              Labels: { l: 'm', 'com.docker.stack.namespace': 's' },
              DriverConfig: { Options: { o: 'bind', device: '/d' } },
            },
          },
          { Type: 'volume', Source: 'ext', Target: '/e' },
        ],
        Secrets: [
          { SecretName: 's_key', File: { Name: 'key', UID: '0', GID: '0', Mode: 0o444 } },
          { SecretName: 'named', File: { Name: 'x', UID: '5', GID: '0', Mode: 0o400 } },
        ],
        Configs: [{ ConfigName: 's_page', File: { Name: 'page', Mode: 0o444 } }],
      },
    });
  });
});

const APP = `
services:
  web: {image: 'a:1', ports: ['80:80'], networks: [front], configs: [page], secrets: [key]}
  db: {image: 'b:1', deploy: {replicas: 2}}
networks: {front: {internal: true}, unused: {}}
configs: {page: {content: hello}}
secrets: {key: {content: secret}}
`;

describe('plans', () => {
  it('make networks, secrets, configs, services, in this order', () => {
    expect(textOf(APP, NOTHING)).toBe(
      '+ network s_default\n+ network s_front\n+ secret s_key\n+ config s_page\n+ service s_db\n+ service s_web\n',
    );
  });

  it('of what is there already change nothing; secrets are compared by the managers', () => {
    expect(textOf(APP, deploy(APP))).toBe(
      '= secret s_key\n  service s_db (unchanged)\n  service s_web (unchanged)\n',
    );
  });

  it.each([
    ['replicas: 2', 'replicas: 3', '~ service s_db: Mode.Replicated.Replicas\n'],
    [
      "'b:1'",
      "'b:2'",
      '~ service s_db: Labels.com.docker.stack.image, TaskTemplate.ContainerSpec.Image\n',
    ],
    [
      'networks: [front]',
      'networks: [unused]',
      '+ network s_unused\n~ service s_web: TaskTemplate.Networks\n',
    ],
    ["'80:80'", "'81:80'", '~ service s_web: EndpointSpec.Ports\n'],
    ['  db:', '  cache:', '+ service s_cache\n'],
  ])('with %j turned into %j', (from, to, expected) => {
    const text = textOf(APP.replace(from, to), deploy(APP));
    const changes = text.split('\n').filter((line) => /^[+~-]/.test(line));
    expect(`${changes.join('\n')}\n`).toBe(expected);
  });

  it('remove what is gone only with prune, and before anything is made', () => {
    const text = APP.replace('  db:', '  cache:');
    expect(textOf(text, deploy(APP), { prune: true })).toBe(
      '= secret s_key\n- service s_db\n+ service s_cache\n  service s_web (unchanged)\n',
    );
  });

  it('keep replicas that were scaled by hand when the file says nothing, and forced updates', () => {
    const existing = deploy(APP);
    const scaled = existing.services.map((service): WireService => {
      const { TaskTemplate } = service.Spec;
      const Spec = { ...service.Spec, TaskTemplate: { ...TaskTemplate, ForceUpdate: 4 } };
      return { ...service, Spec: { ...Spec, Mode: { Replicated: { Replicas: 9 } } } };
    });
    const plan = planStack(
      desired(APP.replace("['80:80']", '[]')),
      { ...existing, services: scaled },
      OPTIONS,
    );
    const web = plan.steps.find(({ name }) => name === 's_web');
    expect(web).toMatchObject({
      action: 'update',
      version: 7,
      changes: ['EndpointSpec'],
      body: { Mode: { Replicated: { Replicas: 9 } }, TaskTemplate: { ForceUpdate: 4 } },
    });
  });

  it('pin images to what the registry has, and keep the digest when it does not answer', () => {
    const digests = new Map([['a:1', 'a:1@sha256:1']]);
    const first = after(planStack(desired(APP), NOTHING, { ...OPTIONS, digests }));
    const image = first.services.find(({ Spec }) => Spec.Name === 's_web')?.Spec.TaskTemplate
      .ContainerSpec.Image;
    expect(image).toBe('a:1@sha256:1');
    expect(textOf(APP, first)).toContain('service s_web (unchanged)');
    const moved = new Map([['a:1', 'a:1@sha256:2']]);
    expect(textOf(APP, first, { digests: moved })).toContain(
      '~ service s_web: TaskTemplate.ContainerSpec.Image\n',
    );
  });

  it('ask registries as --resolve-image says', () => {
    const existing = deploy(APP);
    const changed = desired(APP.replace("'b:1'", "'b:2'"));
    expect(imagesToResolve(changed, existing, 'always')).toEqual(['b:2', 'a:1']);
    expect(imagesToResolve(changed, existing, 'changed')).toEqual(['b:2']);
    expect(imagesToResolve(changed, existing, 'never')).toEqual([]);
    expect(
      imagesToResolve(desired("services: {w: {image: 'a@sha256:1'}}"), NOTHING, 'always'),
    ).toEqual([]);
  });

  it('leave networks as they are, with a warning', () => {
    const { warnings } = planStack(
      desired(APP.replace('internal: true', 'attachable: true')),
      deploy(APP),
      OPTIONS,
    );
    expect(warnings).toEqual([
      'network s_front stays as it is, although the file has another Attachable: remove the stack first to change its networks',
    ]);
  });

  it('see no difference in what the API fills in', () => {
    const existing = deploy(APP);
    const filled = existing.services.map((service): WireService => {
      const { TaskTemplate, EndpointSpec } = service.Spec;
      return {
        ...service,
        Spec: {
          ...service.Spec,
          Mode: { Replicated: { Replicas: 1 }, ...service.Spec.Mode },
          EndpointSpec: { Mode: 'vip', Ports: [], ...EndpointSpec },
          TaskTemplate: {
            Resources: {},
            Placement: {},
            ...TaskTemplate,
            ForceUpdate: 0,
            ContainerSpec: { ...TaskTemplate.ContainerSpec, Isolation: 'default', DNSConfig: {} },
          },
        },
      };
    });
    expect(textOf(APP, { ...existing, services: filled })).not.toContain('~');
  });
});

describe('refused before the first call', () => {
  const one = (extra: string, top = ''): string => `services: {web: {image: a, ${extra}}}\n${top}`;

  it.each([
    [
      'an external network that is not there',
      one('networks: [world]', 'networks: {world: {external: true}}'),
      NOTHING,
      'networks.world: network "world" is declared as external, but could not be found: create it first, with "tsswarm network create world"',
    ],
    [
      'an external secret that is not there',
      one('secrets: [key]', 'secrets: {key: {external: true, name: other}}'),
      NOTHING,
      'secrets.key: secret "other" is declared as external, but could not be found: create it first',
    ],
    [
      'a config with other content',
      APP.replace('content: hello', 'content: bye'),
      deploy(APP),
      'configs.page: config s_page exists with other content, and a config can\'t be changed: give the new one a name of its own ("name: s_page_2" under configs.page), deploy, then remove s_page',
    ],
    [
      'a port that another service publishes',
      one("ports: ['80:80']"),
      {
        ...NOTHING,
        services: deploy(APP, {}, 'other').services.map((service) => ({
          ...service,
          Endpoint: { Ports: service.Spec.EndpointSpec?.Ports ?? [] },
        })),
      },
      'services.web: port 80/tcp is already published by service other_web',
    ],
    [
      'a port twice in the file',
      `services:\n  a: {image: a, ports: ['80:80']}\n  b: {image: b, ports: ['80:81']}\n`,
      NOTHING,
      'services.b: port 80/tcp is already published by service s_a',
    ],
    [
      'a service of somebody else',
      one(''),
      {
        ...NOTHING,
        services: [
          {
            ...META,
            ID: 'x',
            Spec: { Name: 's_web', Mode: {}, TaskTemplate: { ContainerSpec: { Image: 'a' } } },
          },
        ],
      },
      'services.web: service "s_web" exists and is not part of stack s: remove it, or choose another name for the stack',
    ],
    [
      'a network of somebody else',
      one('networks: [n]', 'networks: {n: {name: theirs}}'),
      { ...NOTHING, networks: [{ Id: 'n', Name: 'theirs', Driver: 'overlay', Scope: 'swarm' }] },
      'networks.n: network "theirs" exists and is not part of stack s: declare it with "external: true", or choose another name',
    ],
  ] as const)('%s', (_name, text, existing, message) => {
    expect(messageOf(() => planStack(desired(text), existing, OPTIONS))).toBe(message);
  });

  it.each([
    [
      one('secrets: [k]', 'secrets: {k: {environment: NOWHERE}}'),
      'secrets.k: the variable NOWHERE is not set',
    ],
    [
      one('configs: [c]', "configs: {c: {content: ''}}"),
      'configs.c: the content has 0 bytes, not 1 to 1024000',
    ],
  ])('%j', (text, message) => {
    expect(messageOf(() => desired(text))).toBe(message);
  });

  it('a name that is too long', () => {
    const stack = 'x'.repeat(60);
    expect(messageOf(() => desired(one(''), {}, stack))).toBe(
      `services.web: name must be 63 characters or fewer: ${stack}_web has 64`,
    );
  });

  it('reads environment from files, then from the service', () => {
    const text = 'services: {web: {image: a, env_file: [e], environment: {A: service}}}';
    const spec = desired(text, { '/d/e': 'A=file\nB=file\n' }).services[0]?.spec;
    expect(spec).toMatchObject({
      TaskTemplate: { ContainerSpec: { Env: ['A=service', 'B=file'] } },
    });
  });
});
