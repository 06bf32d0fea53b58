// Connects to every HOST:PORT among its arguments, from ports that follow the first argument, and then
// only waits, as one does who subscribed to something. Says "open N" and "end N WHY".
import { connect } from 'node:net';

const [first, ...targets] = process.argv.slice(2);
for (const [number, target] of targets.entries()) {
  const [host, port] = target.split(':');
  const socket = connect({ host, port: Number(port), localPort: Number(first) + number });
  const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);
  socket.on('connect', () => say('open', number));
  socket.on('error', (error) => say('end', number, error.code));
  socket.on('end', () => say('end', number, 'closed'));
  socket.resume();
}
