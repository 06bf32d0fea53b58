// Docker's own daemon inside a host of the lab, as the peer of a measurement.
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { hostPaths, ipIn, until, type LabStore } from '../src/lab/index.ts';
import { Engine } from './engine.ts';

/** Where the package docker.io puts it. */
export const DOCKERD = '/usr/sbin/dockerd';

const START_LIMIT_MS = 60_000;

/** Starts dockerd (and its containerd) in the host's namespaces; resolves when its API answers. */
export async function startDockerd(store: LabStore, host: string): Promise<Engine> {
  const { data } = hostPaths(store.paths, host);
  await mkdir(`${data}/docker`, { recursive: true });
  const socket = `${data}/docker.sock`;
  const pid = String(store.host(host).init?.pid ?? 0);
  // Docker asks the registry for each task, even for an image that it has: it has to be told at once
  // that there is none, or it would wait for a name server's silence.
  await ipIn(`/proc/${pid}/ns/net`, 'route', 'del', 'default');
  const dockerd = [
    'dockerd',
    `--data-root=${data}/docker`,
    '--exec-root=/run/docker',
    '--pidfile=/run/docker.pid',
    `--host=unix://${socket}`,
    '--storage-driver=overlay2',
    '--log-level=error',
    `--cgroup-parent=/tsswarm-lab/${store.paths.name}/${host}`,
  ];
  // dockerd writes to /sys of its own network namespace; the host's control groups must stay visible.
  const mounts =
    'mkdir /run/cg && mount --rbind /sys/fs/cgroup /run/cg && mount -t sysfs sysfs /sys && mount --rbind /run/cg /sys/fs/cgroup && exec "$@"';
  const inside = ['-t', pid, '--net', '--mount', '--uts', '--pid', '--', 'sh', '-c', mounts, 'sh'];
  spawn('nsenter', [...inside, ...dockerd], {
    detached: true,
    stdio: 'ignore',
  }).unref();
  const engine = new Engine('docker swarm', socket);
  await until(
    'dockerd',
    () =>
      engine.call('GET', '/_ping').then(
        () => true,
        () => false,
      ),
    START_LIMIT_MS,
  );
  return engine;
}

/** The host begins a swarm of its own. */
export async function initSwarm(
  store: LabStore,
  host: string,
  engine: Engine,
): Promise<{ readonly Manager: string; readonly Worker: string }> {
  await engine.call('POST', '/swarm/init', {
    ListenAddr: '0.0.0.0:2377',
    AdvertiseAddr: store.host(host).address,
  });
  const { JoinTokens } = await engine.call<{
    JoinTokens: { readonly Manager: string; readonly Worker: string };
  }>('GET', '/swarm');
  return JoinTokens;
}
