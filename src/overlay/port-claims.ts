// Ports that this host serves for the mesh or for tasks with ports of their own. A port is served
// only once it has really been bound: otherwise publishing 22 would take sshd away on every node.
import { messageOf } from '../base/index.ts';
import type { PortConfig } from '../model/index.ts';
import { portKey, type PublishedPort } from './desired/index.ts';
import type { Kernel, PortClaim } from './kernel/index.ts';
import type { OverlayProblem } from './contract/index.ts';

/** Never served: it is how people reach their machines. */
const SSH_PORT = 22;

export class PortClaims {
  readonly #kernel: Kernel;
  readonly #refused: ReadonlySet<number>;
  readonly #claims = new Map<string, PortClaim>();
  #problems: OverlayProblem[] = [];
  /** Message by port. */
  readonly #refusals = new Map<string, string>();

  constructor(kernel: Kernel, ownPorts: readonly number[]) {
    this.#kernel = kernel;
    this.#refused = new Set([SSH_PORT, ...ownPorts]);
  }

  /** Claims what is new; returns the ports that this host may serve. */
  async claim(wanted: readonly PublishedPort[]): Promise<PublishedPort[]> {
    this.#problems = [];
    this.#refusals.clear();
    const granted: PublishedPort[] = [];
    const owners = new Set<string>();
    for (const port of wanted) {
      const key = portKey(port);
      if (owners.has(key)) {
        this.#problem(port, `port ${port.port}/${port.protocol} is published twice on this host`);
      } else if (await this.#claimOne(claimKey(port), port)) {
        owners.add(key);
        granted.push(port);
      }
    }
    return granted;
  }

  /** Gives back what is no longer served; after the rules are gone. */
  async release(kept: readonly PublishedPort[]): Promise<void> {
    const keys = new Set(kept.map(claimKey));
    for (const [key, claim] of this.#claims) {
      if (keys.has(key)) continue;
      this.#claims.delete(key);
      await claim.release();
    }
  }

  /** Of the last `claim`; not empty means that it is worth trying again later. */
  problems(): readonly OverlayProblem[] {
    return this.#problems;
  }

  /** Why the port was not granted in the last `claim`. */
  refusal({ Protocol: protocol, PublishedPort: port = 0 }: PortConfig): string | undefined {
    return this.#refusals.get(portKey({ protocol, port }));
  }

  async #claimOne(key: string, port: PublishedPort): Promise<boolean> {
    if (this.#claims.has(key)) return true;
    if (this.#refused.has(port.port)) {
      this.#problem(port, `port ${port.port} is not published: it is needed to reach this host`);
      return false;
    }
    try {
      this.#claims.set(key, await this.#kernel.claimPort(port.protocol, port.port, port.hostIp));
      return true;
    } catch (error) {
      this.#problem(port, messageOf(error));
      return false;
    }
  }

  #problem(port: PublishedPort, message: string): void {
    this.#refusals.set(portKey(port), message);
    this.#problems.push({ serviceId: port.serviceId, message });
  }
}

/** A port that moves to another address of the host is another claim. */
function claimKey(port: PublishedPort): string {
  return `${portKey(port)} ${port.hostIp ?? ''}`;
}
