// Blocks the main thread of a Node process: `block-main-thread.mjs PID MILLISECONDS`. Opens the process's
// own debugger (on the loopback address of its network namespace) and lets it run a busy loop.
import { randomBytes } from 'node:crypto';
import { get, request } from 'node:http';

const [pid, ms] = process.argv.slice(2).map(Number);

function targets() {
  return new Promise((resolve, reject) => {
    get('http://127.0.0.1:9229/json/list', (response) => {
      let text = '';
      response.on('data', (part) => (text += part));
      response.on('end', () => resolve(JSON.parse(text)));
    }).on('error', reject);
  });
}

async function openDebugger() {
  process.kill(pid, 'SIGUSR1');
  const limit = Date.now() + 5_000;
  for (;;) {
    try {
      const [target] = await targets();
      return new URL(target.webSocketDebuggerUrl);
    } catch (error) {
      if (Date.now() > limit) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** One masked text frame (the mask is zero) of up to 65,535 bytes. */
function textFrame(text) {
  const payload = Buffer.from(text);
  return Buffer.concat([
    Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255, 0, 0, 0, 0]),
    payload,
  ]);
}

const { hostname: host, port, pathname: path } = await openDebugger();
const headers = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
};
request({ host, port, path, headers })
  .on('upgrade', (_response, socket) => {
    const expression = `{ const end = Date.now() + ${ms}; while (Date.now() < end); } 'blocked'`;
    socket.write(
      textFrame(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } })),
    );
    socket.once('data', (data) => process.exit(data.includes('blocked') ? 0 : 1));
  })
  .end();
