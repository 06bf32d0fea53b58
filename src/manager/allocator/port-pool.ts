// Published ports of the routing mesh: one owner per protocol and number in the whole cluster.
import type { PortConfig } from '../../model/index.ts';

/** Range for ports that the user leaves open (Docker's). */
export const DYNAMIC_PORTS = { first: 30_000, last: 32_767 } as const;

export class PortPool {
  readonly #owners = new Map<string, string>();
  #next: number = DYNAMIC_PORTS.first;

  owner(protocol: string, port: number): string | undefined {
    return this.#owners.get(`${protocol}/${port}`);
  }

  claim(serviceId: string, ports: readonly PortConfig[]): void {
    for (const port of ports) {
      if (port.PublishMode === 'ingress' && port.PublishedPort) {
        this.#owners.set(`${port.Protocol}/${port.PublishedPort}`, serviceId);
      }
    }
  }

  release(serviceId: string): void {
    for (const [key, owner] of this.#owners) if (owner === serviceId) this.#owners.delete(key);
  }

  /** Ports with numbers for a service, keeping the numbers it had; or the reason why not. */
  grant(
    serviceId: string,
    wanted: readonly PortConfig[],
    before: readonly PortConfig[],
  ): { ports: readonly PortConfig[] } | { error: string } {
    this.release(serviceId);
    const ports: PortConfig[] = [];
    for (const port of wanted) {
      const number = this.#numberFor(port, before, ports);
      if (number === undefined) return { error: 'no free port is left in 30000-32767' };
      const owner = port.PublishMode === 'ingress' ? this.owner(port.Protocol, number) : undefined;
      if (owner !== undefined) {
        return { error: `port ${number}/${port.Protocol} is already in use by service ${owner}` };
      }
      ports.push({ ...port, PublishedPort: number });
    }
    this.claim(serviceId, ports);
    return { ports };
  }

  #numberFor(
    port: PortConfig,
    before: readonly PortConfig[],
    taken: readonly PortConfig[],
  ): number | undefined {
    if (port.PublishedPort) return port.PublishedPort;
    const kept = before.find(
      (old) =>
        old.TargetPort === port.TargetPort &&
        old.Protocol === port.Protocol &&
        old.PublishMode === port.PublishMode,
    );
    if (kept?.PublishedPort) return kept.PublishedPort;
    const range = DYNAMIC_PORTS.last - DYNAMIC_PORTS.first + 1;
    for (let tried = 0; tried < range; tried++) {
      if (this.#next > DYNAMIC_PORTS.last) this.#next = DYNAMIC_PORTS.first;
      const number = this.#next++;
      const clash = taken.some((p) => p.PublishedPort === number && p.Protocol === port.Protocol);
      if (!clash && this.owner(port.Protocol, number) === undefined) return number;
    }
    return undefined;
  }
}
