// One engine under measurement: anything that speaks Docker's Engine API on a unix socket. The same code
// drives tsswarm and Docker Swarm, so that both pay the same for being watched.
import { createReadStream } from 'node:fs';
import { request } from 'node:http';
import { callApi } from '../src/lab/index.ts';

/** How often a condition is looked at: often enough for 10 ms, seldom enough not to be the load. */
const POLL_MS = 10;
/** Lists of tasks are long: looked at less often. */
const LIST_POLL_MS = 50;
const LIMIT_MS = 180_000;

export interface ServiceOptions {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly replicas: number;
  readonly network: string;
  readonly endpointMode?: 'dnsrr';
  readonly env?: readonly string[];
}

export interface Task {
  readonly NodeID?: string;
  readonly Status: { readonly State: string };
  readonly DesiredState: string;
  readonly Spec: { readonly ContainerSpec: { readonly Env?: readonly string[] } };
}

interface Service {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: Record<string, unknown> & {
    readonly TaskTemplate: { readonly ContainerSpec: Record<string, unknown> };
  };
}

export class Engine {
  readonly name: string;
  readonly socket: string;

  constructor(name: string, socket: string) {
    this.name = name;
    this.socket = socket;
  }

  call<T>(method: string, path: string, body?: object): Promise<T> {
    return callApi(this.socket, method, `/v1.41${path}`, body) as Promise<T>;
  }

  load(archive: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          socketPath: this.socket,
          method: 'POST',
          path: '/v1.41/images/load',
          headers: { 'Content-Type': 'application/x-tar' },
        },
        (response) => {
          response.resume();
          response.on('end', resolve);
        },
      );
      outgoing.on('error', reject);
      createReadStream(archive).pipe(outgoing);
    });
  }

  async createService(options: ServiceOptions): Promise<void> {
    await this.call('POST', '/services/create', {
      Name: options.name,
      Mode: { Replicated: { Replicas: options.replicas } },
      EndpointSpec: options.endpointMode ? { Mode: options.endpointMode } : {},
      UpdateConfig: { Parallelism: 1, Order: 'stop-first', Monitor: 1e9 },
      TaskTemplate: {
        Networks: [{ Target: options.network }],
        RestartPolicy: { Condition: 'any', Delay: 1 },
        ContainerSpec: {
          Image: options.image,
          Args: options.args,
          StopSignal: 'SIGKILL',
          Env: options.env ?? [],
        },
      },
    });
    await this.waitRunning(options.name, options.replicas);
  }

  async update(name: string, change: (spec: Service['Spec']) => object): Promise<void> {
    const service = await this.call<Service>('GET', `/services/${name}`);
    const version = service.Version.Index;
    await this.call(
      'POST',
      `/services/${service.ID}/update?version=${version}`,
      change(service.Spec),
    );
  }

  scale(name: string, replicas: number): Promise<void> {
    return this.update(name, (spec) => ({ ...spec, Mode: { Replicated: { Replicas: replicas } } }));
  }

  async tasks(name: string): Promise<Task[]> {
    const filters = encodeURIComponent(JSON.stringify({ service: { [name]: true } }));
    return this.call<Task[]>('GET', `/tasks?filters=${filters}`);
  }

  /** By the count that the engine itself keeps: asking for all tasks would be the load. */
  async waitRunning(name: string, count: number): Promise<void> {
    const filters = encodeURIComponent(JSON.stringify({ name: { [name]: true } }));
    const limit = Date.now() + LIMIT_MS;
    for (;;) {
      const services = await this.call<
        { ServiceStatus?: { RunningTasks: number; DesiredTasks: number } }[]
      >('GET', `/services?status=true&filters=${filters}`);
      const status = services[0]?.ServiceStatus;
      if (status?.RunningTasks === count && status.DesiredTasks === count) return;
      if (Date.now() > limit)
        throw new Error(`${this.name}: waited in vain for ${count} of ${name}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Every running task has this environment line, and there are so many. */
  waitUpdated(name: string, count: number, env: string): Promise<void> {
    return this.waitTasks(name, `${count} updated`, (tasks) => {
      const running = tasks.filter(runs);
      return (
        running.length === count &&
        running.every((task) => task.Spec.ContainerSpec.Env?.includes(env))
      );
    });
  }

  /** Removes a service and waits until nothing of it is left. */
  async removeService(name: string): Promise<void> {
    const { ID } = await this.call<Service>('GET', `/services/${name}`);
    await this.call('DELETE', `/services/${ID}`);
    const limit = Date.now() + LIMIT_MS;
    while (
      (await this.call<{ ServiceID: string }[]>('GET', '/tasks')).some(
        (task) => task.ServiceID === ID,
      )
    ) {
      if (Date.now() > limit) throw new Error(`${this.name}: tasks of ${name} do not go`);
      await new Promise((resolve) => setTimeout(resolve, LIST_POLL_MS));
    }
  }

  waitGone(name: string): Promise<void> {
    return this.waitTasks(name, 'none', (tasks) => tasks.length === 0);
  }

  async waitTasks(name: string, what: string, done: (tasks: Task[]) => boolean): Promise<void> {
    const limit = Date.now() + LIMIT_MS;
    while (!done(await this.tasks(name))) {
      if (Date.now() > limit)
        throw new Error(`${this.name}: waited in vain for ${what} of ${name}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

function runs(task: Task): boolean {
  return task.Status.State === 'running' && task.DesiredState === 'running';
}

/** Seconds that `act` took. */
export async function seconds(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await act();
  return (performance.now() - start) / 1000;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
