// Connects to every HOST:PORT among its arguments and then only waits, as one does who subscribed to
// something. Says "open N" and "end N WHY"; after a line on its standard input it asks on each connection
// that is left, and says "answer N".
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const sockets = process.argv.slice(2).map((target, number) => {
  const [host, port] = target.split(':');
  const socket = connect({ host, port: Number(port) });
  const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);
  socket.on('connect', () => say('open', number));
  socket.on('data', () => say('answer', number));
  socket.on('error', (error) => say('end', number, error.code));
  socket.on('end', () => say('end', number, 'closed'));
  return socket;
});
createInterface({ input: process.stdin }).on('line', () => {
  for (const socket of sockets) if (!socket.destroyed) socket.write('GET / HTTP/1.0\r\n\r\n');
});
