import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttpTransport } from './http.ts';

describe('an exchange with a registry', () => {
  const transport = createHttpTransport('test');
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  /** Answers with a body that never ends, a little every 5 ms. */
  async function endless(): Promise<{ url: string; closed: Promise<void> }> {
    let close: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    const made = createServer((_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 5);
      response.on('close', () => {
        clearInterval(timer);
        close();
      });
    });
    server = made;
    await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
    const { port } = made.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}/`, closed };
  }

  const request = (url: string) => ({ method: 'GET', url, headers: {}, insecure: true }) as const;

  it('ends after its time, however much still comes', async () => {
    const { url, closed } = await endless();
    const read = async (): Promise<void> => {
      const { body } = await transport.request({ ...request(url), limitMs: 50 });
      for await (const _ of body);
    };
    await expect(read()).rejects.toMatchObject({ code: 'unavailable' });
    await closed;
  });

  it('that nobody wants is not read to an end that never comes', async () => {
    const { url, closed } = await endless();
    (await transport.request(request(url))).discard();
    await closed;
  });

  it('ends when nobody waits any more', async () => {
    const { url, closed } = await endless();
    const gone = new AbortController();
    const { body } = await transport.request({ ...request(url), signal: gone.signal });
    const reading = (async () => {
      for await (const _ of body);
    })();
    gone.abort();
    await expect(reading).rejects.toMatchObject({ code: 'unavailable' });
    await closed;
  });
});
