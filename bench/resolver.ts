// npx tsx bench/resolver.ts: answers a second of the resolver process, asked over
// UDP from inside a task's namespace, a window of questions under way at once; the asker is a process
// of its own and shares the machine's cores with the resolver.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TaskAssignment } from '../src/model/index.ts';
import type { OverlayState } from '../src/overlay/index.ts';
import { OverlayLab } from '../test/integration/overlay-lab.ts';

const SECONDS = 5;
const WINDOW = 64;
const NETWORK = 'front';
const SERVICES = 1_000;

/** CPU time of a process so far, in user and kernel mode. */
async function cpuSeconds(pid: string): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function measure(): Promise<void> {
  const lab = await OverlayLab.open();
  try {
    await lab.machine('h1', '10.98.0.1');
    await lab.startOverlay('h1');
    const self = { nodeId: 'h1', hostname: 'h1', number: 1, address: '10.98.0.1' };
    const subnets = [
      { subnet: '10.50.0.0/16', gateway: '10.50.0.1' },
      { subnet: 'fd50::/64', gateway: 'fd50::1' },
    ];
    const flags = { internal: false, ingress: false, encrypted: false };
    const network = { id: NETWORK, name: NETWORK, vni: (1 << 20) + 9, subnets, ...flags };
    const services = new Map(
      Array.from({ length: SERVICES }, (_, index) => {
        const id = `service${index}`;
        const vip = `10.50.${4 + (index >> 8)}.${index & 255}`;
        const vip6 = `fd50::1:${(index + 1).toString(16)}`;
        const ids = { networkId: NETWORK, serviceId: id, name: id, aliases: [], vip, vip6 };
        return [
          `${NETWORK}/${id}`,
          { ...ids, mode: 'vip' as const, ports: [], sticky: false },
        ] as const;
      }),
    );
    const state: OverlayState = {
      self,
      dataPathPort: 4789,
      networks: new Map([[NETWORK, network]]),
      hosts: new Map([['h1', self]]),
      services,
      endpoints: new Map(),
    };
    await lab.update('h1', state);
    const addresses = ['10.50.1.1/16', 'fd50::2/64'];
    const task: TaskAssignment = {
      id: 'asker',
      serviceId: 'asker',
      serviceName: 'asker',
      slot: 1,
      nodeId: 'h1',
      revisionId: 'r1',
      desiredState: 'running',
      networks: [{ networkId: NETWORK, addresses, aliases: [] }],
      hostPorts: [],
      publishesIngress: false,
    };
    const { path = '' } = await lab.attach('h1', task);
    const source = join(import.meta.dirname, 'resolver-load.c');
    const program = join(lab.directory('h1'), 'load');
    await promisify(execFile)('gcc', ['-O2', '-Wall', '-o', program, source]);
    const argv = [`--net=${path}`, program, String(SECONDS), String(WINDOW), String(SERVICES)];
    const child = spawn('nsenter', argv, { stdio: 'inherit' });
    const pid = (await readFile(`${lab.directory('h1')}/resolver.pid`, 'utf8')).trim();
    const before = await cpuSeconds(pid);
    await once(child, 'exit');
    const used = (await cpuSeconds(pid)) - before;
    console.log(`resolver: ${used.toFixed(2)} s of CPU in about ${SECONDS} s`);
  } finally {
    await lab.close();
  }
}

await measure();
