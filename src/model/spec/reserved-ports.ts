// Ports that no service may publish: people and nodes reach machines by them.

/** sshd, the API between nodes, Raft. */
const RESERVED = [22, 2377, 2378];

/** With the overlay's own UDP port and the two of its tunnels below it. */
export function reservedPorts(dataPathPort: number): readonly number[] {
  return [...RESERVED, dataPathPort, dataPathPort - 1, dataPathPort - 2];
}
