import { describe, expect, it } from 'vitest';
import { probeSteps } from './tcp-probe.ts';

/** Sum of the 16-bit words with the carries put back: 0xffff where a checksum is right. */
function sum(bytes: Buffer): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += bytes.readUInt16BE(at);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

function packets(server: string, client: string): Buffer[] {
  const steps = probeSteps({ address: server, port: 80 }, { address: client, port: 49_152 }, 7);
  return steps.map((step) => Buffer.from(step.step === 'send' ? step.packet : []));
}

describe('probeSteps', () => {
  it('are bare acknowledgements from the server, one of them outside of any window', () => {
    const [first, second] = packets('10.0.0.2', '10.0.0.9');
    const header = '45000000000000004006' + '0000' + '0a000002' + '0a000009';
    expect(first?.toString('hex')).toMatch(
      new RegExp(`^${header}0050c000000000000000000050100400`),
    );
    expect(second?.toString('hex')).toMatch(
      new RegExp(`^${header}0050c000800000000000000050100400`),
    );
  });

  it('have checksums over the addresses too, in both families', () => {
    for (const packet of packets('10.0.0.2', '10.0.0.9')) {
      const pseudo = Buffer.concat([packet.subarray(12, 20), Buffer.from([0, 6, 0, 20])]);
      expect(sum(Buffer.concat([pseudo, packet.subarray(20)]))).toBe(0xffff);
    }
    for (const packet of packets('fd00::2', 'fd00::9')) {
      const pseudo = Buffer.concat([packet.subarray(8, 40), Buffer.from([0, 6, 0, 20])]);
      expect(sum(Buffer.concat([pseudo, packet.subarray(40)]))).toBe(0xffff);
    }
  });

  it('are none between families', () => {
    expect(packets('10.0.0.2', 'fd00::9')).toEqual([]);
  });
});
