// The daemon's entry: reads the command line, starts the local engine, the node and the API, and ends
// in good order on SIGTERM. Containers, their logs and their network outlive it.
import pino from 'pino';
import { messageOf } from '../base/index.ts';
import { EngineApiServer } from '../engine-api/index.ts';
import { USAGE, VERSION, installPaths, parseConfig, type DaemonConfig } from './config/index.ts';
import { createBackend } from './engine-backend.ts';
import { startLocalEngine } from './local-engine.ts';
import { SwarmNode } from './node.ts';
import { createUserContainers } from './user-containers.ts';

/** A planned stop hands leadership over; this bounds it. */
const STOP_LIMIT_MS = 5_000;

function readConfig(): DaemonConfig {
  try {
    const config = parseConfig(process.argv.slice(2));
    if (typeof config === 'object') return config;
    process.stdout.write(config === 'help' ? USAGE : `tsswarmd ${VERSION}\n`);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`tsswarmd: ${messageOf(error)}\nSee 'tsswarmd --help'.\n`);
    process.exit(1);
  }
}

async function main(): Promise<void> {
  const config = readConfig();
  const logger = pino({
    level: config.logLevel,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
  });
  const fatal = (error: Error): void => {
    logger.fatal({ error: error.message, stack: error.stack }, 'the daemon has to stop');
    process.exit(1);
  };
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', (reason) =>
    fatal(reason instanceof Error ? reason : new Error(String(reason))),
  );
  const paths = installPaths();
  const engine = await startLocalEngine(config, paths, logger);
  const ready = (): SwarmNode | undefined => (node.ready ? node : undefined);
  const containers = createUserContainers(config, engine, logger, ready);
  const node = new SwarmNode({ config, paths, engine, containers, logger, onFatal: fatal });
  const backend = await createBackend(config, engine, node, containers);
  const api = new EngineApiServer(backend, logger);
  // Before the agent begins: it asks for the containers’ attachments.
  await containers.open();
  for (const path of config.sockets) await api.listen(path);
  logger.info({ sockets: config.sockets, version: VERSION }, 'API is up');
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    logger.info({}, 'stopping');
    setTimeout(() => process.exit(0), STOP_LIMIT_MS).unref();
    const end = async (): Promise<void> => {
      await Promise.all([node.close(), api.close(), containers.close()]);
      await engine.overlay.stop();
      engine.executor.close();
    };
    end().then(
      () => process.exit(0),
      (error: unknown) => fatal(error instanceof Error ? error : new Error(String(error))),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  await node.start();
}

main().catch((error: unknown) => {
  process.stderr.write(`tsswarmd: ${messageOf(error)}\n`);
  process.exit(1);
});
