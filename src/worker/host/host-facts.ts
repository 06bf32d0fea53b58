// What the executor must know of its host, read once when it starts.
import * as fs from 'node:fs/promises';
import { arch, cpus, hostname, release, totalmem } from 'node:os';
import { decoder, ifPresent, list, record, text } from '../../base/index.ts';
import type { NodeDescription } from '../../model/index.ts';
import { normalArchitecture } from '../images/index.ts';
import { cgroupLayout, cgroupMountPoints, type HostFacts } from '../oci/index.ts';
import { runProgram } from './programs.ts';

const NANO_PER_CPU = 1e9;
const CAP_SYS_RESOURCE = 24n;
const GO_ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
/** As Docker names them to its users. */
const KERNEL_ARCHITECTURES: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  arm64: 'aarch64',
};
const decodeFeatures = decoder(record({ mountOptions: list(text(64)) }), 'features of the runtime');

/** Reads /proc; a missing file is no error, one that can't be read is. */
export async function readHostFacts(options: {
  readonly cgroupParent: string;
  readonly initPath?: string | undefined;
  /** The OCI runtime, a name or path. */
  readonly runtime: string;
}): Promise<HostFacts> {
  const read = async (path: string): Promise<string> =>
    (await ifPresent(fs.readFile(path, 'utf8'))) ?? '';
  const [mounts, pid1, status, score] = await Promise.all([
    read('/proc/self/mountinfo'),
    read('/proc/1/comm'),
    read('/proc/self/status'),
    read('/proc/self/oom_score_adj'),
  ]);
  const bounding = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const mayLowerScore = ((effective >> CAP_SYS_RESOURCE) & 1n) === 1n;
  return {
    architecture: goArchitecture(),
    hostname: hostname(),
    cgroups: cgroupLayout(mounts, pid1),
    cgroupParent: options.cgroupParent,
    capabilities: bounding,
    minimumOomScore: mayLowerScore ? undefined : Number.parseInt(score, 10) || 0,
    recursiveReadOnly: await canMountRecursively(options.runtime),
    initPath: await presentFile(options.initPath),
  };
}

/** As the runtime itself says (`runc features`, since 1.1) and the kernel has it (since 5.12). */
async function canMountRecursively(runtime: string): Promise<boolean> {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (major < 5 || (major === 5 && minor < 12)) return false;
  try {
    return decodeFeatures
      .json(await runProgram(runtime, ['features']))
      .mountOptions.includes('rro');
  } catch {
    // A runtime that does not know the question does not know the option.
    return false;
  }
}

/** Takes away the empty parents of containers' control groups; one that is in use stays. */
export async function removeCgroupParents(parent: string): Promise<void> {
  const points = cgroupMountPoints(await fs.readFile('/proc/self/mountinfo', 'utf8'));
  await Promise.all(points.map((point) => fs.rmdir(`${point}${parent}`).catch(() => undefined)));
}

/** Go's name of this machine's architecture. */
export function goArchitecture(): string {
  return normalArchitecture(GO_ARCHITECTURES[arch()] ?? arch());
}

/** The node as managers and users see it; memory and CPUs are the host's. */
export function describeNode(
  facts: HostFacts,
  engine: { readonly version: string; readonly labels: Readonly<Record<string, string>> },
  nodeHostname: string,
): NodeDescription {
  return {
    hostname: nodeHostname,
    platform: {
      architecture: KERNEL_ARCHITECTURES[facts.architecture] ?? facts.architecture,
      os: 'linux',
    },
    resources: { nanoCpus: cpus().length * NANO_PER_CPU, memoryBytes: totalmem() },
    engine: {
      ...engine,
      plugins: [
        { type: 'Log', name: 'json-file' },
        { type: 'Network', name: 'overlay' },
        { type: 'Volume', name: 'local' },
      ],
    },
  };
}

async function presentFile(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  return (await ifPresent(fs.stat(path), 'ENOTDIR')) === undefined ? undefined : path;
}
