import { decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answers, encodeAnswer, parseQuestion, reverseAddress } from './dns-message.ts';

function query(name: string, udpPayloadSize?: number): Buffer {
  return encode({
    type: 'query',
    id: 4711,
    flags: 0x100,
    questions: [{ type: 'A', name }],
    ...(udpPayloadSize === undefined
      ? {}
      : {
          additionals: [
            {
              type: 'OPT',
              name: '.',
              udpPayloadSize,
              extendedRcode: 0,
              ednsVersion: 0,
              flags: 0,
              flag_do: false,
              options: [],
            },
          ],
        }),
  });
}

function parsed(message: Uint8Array): NonNullable<ReturnType<typeof parseQuestion>> {
  const question = parseQuestion(message);
  if (question === undefined) throw new Error('not parsed');
  return question;
}

const MANY = Array.from({ length: 200 }, (_, index) => `10.0.1.${index}`);

describe('parseQuestion', () => {
  it('reads name, type and size', () => {
    expect(parsed(query('Web.Front', 1400))).toMatchObject({
      id: 4711,
      name: 'web.front',
      type: 1,
      internet: true,
      udpBytes: 1400,
    });
    expect(parsed(query('web')).udpBytes).toBe(512);
  });

  it('never throws on what is damaged', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        parseQuestion(bytes);
      }),
    );
    const whole = query('some.long.name', 1400);
    for (let length = 0; length < whole.length; length++) parseQuestion(whole.subarray(0, length));
  });

  it('leaves out answers', () => {
    const message = query('web');
    message[2] = 0x81;
    expect(parseQuestion(message)).toBeUndefined();
  });
});

describe('encodeAnswer', () => {
  it('is read by others as addresses', () => {
    const question = parsed(query('web'));
    const answer = { rcode: 0, addresses: ['10.0.1.2', '10.0.1.3'], ttlSeconds: 5 };
    const message = decode(Buffer.from(encodeAnswer(question, answer, true)));
    expect(message).toMatchObject({ type: 'response', id: 4711, rcode: 'NOERROR' });
    expect(message.questions).toMatchObject([{ name: 'web', type: 'A' }]);
    expect(message.answers).toMatchObject([
      { name: 'web', type: 'A', ttl: 5, data: '10.0.1.2' },
      { name: 'web', type: 'A', ttl: 5, data: '10.0.1.3' },
    ]);
  });

  it('is read by others as IPv6 addresses, and knows EDNS where the asker does', () => {
    const question = parsed(query('web', 1400));
    const answer = { rcode: 0, addresses: ['fd00::11'], ttlSeconds: 5 };
    const message = decode(Buffer.from(encodeAnswer(question, answer, true)));
    expect(message.answers).toMatchObject([{ name: 'web', type: 'AAAA', data: 'fd00::11' }]);
    expect(message.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232 }]);
  });

  it('is read by others as a name', () => {
    const question = parsed(query('2.1.0.10.in-addr.arpa'));
    const message = encodeAnswer(question, { rcode: 0, pointer: 'web.front' }, true);
    expect(decode(Buffer.from(message)).answers).toMatchObject([
      { type: 'PTR', data: 'web.front' },
    ]);
  });

  it('is read by others as services with addresses given along, as far as there is room', () => {
    const question = parsed(query('_http._tcp.web'));
    const service = (target: string): { port: number; target: string; addresses: string[] } => ({
      port: 8080,
      target,
      addresses: ['10.0.1.2', 'fd00::2'],
    });
    const one = decode(
      Buffer.from(encodeAnswer(question, { rcode: 0, services: [service('web.front')] }, true)),
    );
    expect(one.answers).toMatchObject([
      { type: 'SRV', name: '_http._tcp.web', data: { port: 8080, target: 'web.front' } },
    ]);
    expect(one.additionals).toMatchObject([
      { type: 'A', name: 'web.front', data: '10.0.1.2' },
      { type: 'AAAA', name: 'web.front', data: 'fd00::2' },
    ]);
    const services = Array.from({ length: 10 }, (_, index) => service(`web.${index}.front`));
    const full = encodeAnswer(question, { rcode: 0, services }, true);
    expect(full.length).toBeLessThanOrEqual(512);
    expect(decode(Buffer.from(full))).toMatchObject({ flag_tc: false });
    expect(decode(Buffer.from(full)).answers).toHaveLength(10);
  });

  it('is cut over UDP, and says so, but not over TCP', () => {
    const question = parsed(query('web', 4096));
    const answer = { rcode: 0, addresses: MANY };
    const udp = encodeAnswer(question, answer, true);
    expect(udp.length).toBeLessThanOrEqual(1232);
    expect(decode(Buffer.from(udp)).flag_tc).toBe(true);
    const tcp = decode(Buffer.from(encodeAnswer(question, answer, false)));
    expect(tcp.flag_tc).toBe(false);
    expect(tcp.answers).toHaveLength(200);
  });
});

describe('answers', () => {
  it('takes only a reply with the number and question of the query', () => {
    const asked = query('web.example');
    const question = parsed(asked);
    const reply = encodeAnswer(question, { rcode: 0 }, true);
    expect(answers(reply, asked)).toBe(true);
    expect(answers(asked, asked)).toBe(false);
    expect(answers(reply, query('web.examplf'))).toBe(false);
    expect(answers(encodeAnswer({ ...question, id: 1 }, { rcode: 0 }, true), asked)).toBe(false);
  });
});

describe('reverseAddress', () => {
  it('turns the name around', () => {
    expect(reverseAddress('12.1.0.10.in-addr.arpa')).toBe('10.0.1.12');
    const digits = `1.1${'.0'.repeat(10)}.0.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f`;
    const zeros = digits.split('.').length;
    expect(zeros).toBe(32);
    expect(reverseAddress(`${digits}.ip6.arpa`)).toBe('fd00:0:0:1::11');
    expect(reverseAddress('1.1.ip6.arpa')).toBeUndefined();
    expect(reverseAddress('web')).toBeUndefined();
  });
});
