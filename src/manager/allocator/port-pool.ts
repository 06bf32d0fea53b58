// Published ports: one owner per protocol and number of the routing mesh in the whole cluster. Ports in
// mode host may be shared by services (the scheduler keeps them apart), but not with the mesh.
import type { PortConfig } from '../../model/index.ts';

/** Range for ports that the user leaves open (Docker's). */
export const DYNAMIC_PORTS = { first: 30_000, last: 32_767 } as const;

type Mode = PortConfig['PublishMode'];

/** Published ports and who has them. */
export class PortPool {
  /** `${protocol}/${number}` → who has it, and how. */
  readonly #holders = new Map<string, Map<string, Mode>>();
  #next: number = DYNAMIC_PORTS.first;

  claim(serviceId: string, ports: readonly PortConfig[]): void {
    for (const { Protocol, PublishedPort, PublishMode } of ports) {
      if (!PublishedPort) continue;
      const key = `${Protocol}/${PublishedPort}`;
      const holders = this.#holders.get(key) ?? new Map<string, Mode>();
      this.#holders.set(key, holders.set(serviceId, PublishMode));
    }
  }

  release(serviceId: string): void {
    for (const [key, holders] of this.#holders) {
      if (holders.delete(serviceId) && holders.size === 0) this.#holders.delete(key);
    }
  }

  /**
   * Ports with numbers for a service, keeping the numbers it had, or those it had `earlier` that are
   * free; or the reason why not.
   */
  grant(
    serviceId: string,
    wanted: readonly PortConfig[],
    before: readonly PortConfig[],
    earlier: readonly PortConfig[] = [],
  ): { ports: readonly PortConfig[] } | { error: string } {
    this.release(serviceId);
    const ports: PortConfig[] = [];
    const free = earlier.filter(
      ({ Protocol, PublishedPort }) => !this.#holders.has(`${Protocol}/${PublishedPort}`),
    );
    const named = wanted.filter(({ PublishedPort }) => PublishedPort);
    for (const port of wanted) {
      const number = this.#numberFor(port, [...before, ...free], [...named, ...ports]);
      if (number === undefined) return { error: 'no free port is left in 30000-32767' };
      const owner = this.#clash(port, number);
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
    const isTaken = (number: number | undefined): boolean =>
      taken.some((p) => p.PublishedPort === number && p.Protocol === port.Protocol);
    const kept = before.find(
      (old) =>
        !isTaken(old.PublishedPort) &&
        old.TargetPort === port.TargetPort &&
        old.Protocol === port.Protocol &&
        old.PublishMode === port.PublishMode,
    );
    if (kept?.PublishedPort) return kept.PublishedPort;
    const range = DYNAMIC_PORTS.last - DYNAMIC_PORTS.first + 1;
    for (let tried = 0; tried < range; tried++) {
      if (this.#next > DYNAMIC_PORTS.last) this.#next = DYNAMIC_PORTS.first;
      const number = this.#next++;
      if (!isTaken(number) && !this.#holders.has(`${port.Protocol}/${number}`)) return number;
    }
    return undefined;
  }

  /** Who keeps this port from being granted: the mesh answers on every node. */
  #clash({ Protocol, PublishMode }: PortConfig, number: number): string | undefined {
    for (const [serviceId, mode] of this.#holders.get(`${Protocol}/${number}`) ?? []) {
      if (mode === 'ingress' || PublishMode === 'ingress') return serviceId;
    }
    return undefined;
  }
}
