import { describe, expect, it } from 'vitest';
import { HOST, type KernelObject, type Link, type Route } from './kernel.ts';
import { objectMap } from './namespace-state.ts';
import { planObjects, planText } from './plan.ts';

const peer = { namespace: 't-a', name: 'eth0', mac: '02:42:0a:00:01:0b' };
const veth: Link = { kind: 'veth', name: 'ta', mtu: 1450, mac: '02:42:0a:00:00:01', peer };
const vxlan: Link = {
  kind: 'vxlan',
  name: 'vx0',
  mtu: 1450,
  mac: '02:42:0a:63:00:01',
  vxlan: { vni: 1048576, port: 4789, local: '10.99.0.1' },
};
const toTask: Route = { kind: 'route', destination: '10.0.1.11/32', table: 254, device: 'ta' };
const rule: KernelObject = { kind: 'rule', priority: 100, table: 77, mark: { value: 1, mask: 1 } };

function plan(
  actual: readonly KernelObject[],
  desired: readonly KernelObject[],
  namespace = 'n-front',
): { before: string[]; after: string[]; rereads: boolean } {
  const made = planObjects(namespace, objectMap(actual), objectMap(desired));
  return { ...made, before: planText(made.before), after: planText(made.after) };
}

describe('planObjects', () => {
  it('does nothing when all is there', () => {
    const same = [vxlan, { ...veth }, toTask, rule];
    expect(plan(same, [vxlan, veth, { ...toTask }, rule])).toEqual({
      before: [],
      after: [],
      rereads: false,
    });
  });

  it('makes links before what is on them, whatever the order it was named in', () => {
    expect(plan([], [rule, toTask, veth]).before).toEqual([
      'set link ta mtu 1450 address 02:42:0a:00:00:01 type veth peer eth0 in t-a',
      'set route 10.0.1.11/32 table 254 dev ta',
      'set rule pref 100 fwmark 0x1/0x1 lookup 77',
    ]);
  });

  it('removes in the reverse order, after everything else', () => {
    const bare: Link = { kind: 'veth', name: 'ta', mtu: 1450, mac: veth.mac };
    expect(plan([bare, toTask, rule], []).after).toEqual([
      'delete rule pref 100 fwmark 0x1/0x1',
      'delete route 10.0.1.11/32 table 254',
      'delete link ta',
    ]);
  });

  it('leaves links alone that go with the namespace of their other end', () => {
    expect(plan([{ ...veth, leavesWithPeer: true }, toTask], []).after).toEqual([
      'delete route 10.0.1.11/32 table 254',
    ]);
  });

  it('moves a route in one step', () => {
    const remote: Route = { ...toTask, device: 'vx0', via: '198.18.0.2' };
    expect(plan([toTask], [remote])).toEqual({
      before: ['set route 10.0.1.11/32 table 254 via 198.18.0.2 dev vx0'],
      after: [],
      rereads: false,
    });
  });

  it("never replaces a route in the host's namespace", () => {
    const moved: Route = { ...toTask, device: 'tb' };
    expect(plan([toTask], [moved], HOST).before).toEqual([
      'delete route 10.0.1.11/32 table 254',
      'set route 10.0.1.11/32 table 254 dev tb',
    ]);
  });

  it('changes the MTU of a link in place, without a new other end', () => {
    expect(plan([veth], [{ ...veth, mtu: 1400 }])).toEqual({
      before: ['set link ta mtu 1400 address 02:42:0a:00:00:01 type veth'],
      after: [],
      rereads: false,
    });
  });

  it('makes a VXLAN link anew for another underlay address, and reads again', () => {
    const moved: Link = { ...vxlan, vxlan: { vni: 1048576, port: 4789, local: '10.99.0.9' } };
    expect(plan([vxlan], [moved])).toEqual({
      before: [
        'delete link vx0',
        'set link vx0 mtu 1450 address 02:42:0a:63:00:01 ' +
          'type vxlan id 1048576 dstport 4789 local 10.99.0.9',
      ],
      after: [],
      rereads: true,
    });
  });
});
