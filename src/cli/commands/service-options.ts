// The options of `service create` and `service update`, as data: which exist, and what text they show.
import type { Command } from 'commander';
import { collect } from '../notation/index.ts';

type OptionSpec = readonly [flags: string, description: string, kind?: 'list'];

/** Options that both commands have. */
const SHARED: readonly OptionSpec[] = [
  ['--cap-add <list>', 'Add Linux capabilities', 'list'],
  ['--cap-drop <list>', 'Drop Linux capabilities', 'list'],
  ['-d, --detach', 'Exit immediately instead of waiting for the service to converge'],
  ['--endpoint-mode <string>', 'Endpoint mode (vip or dnsrr)'],
  ['--entrypoint <command>', 'Overwrite the default ENTRYPOINT of the image'],
  ['--health-cmd <string>', 'Command to run to check health'],
  ['--health-interval <duration>', 'Time between running the check (ms|s|m|h)'],
  ['--health-retries <int>', 'Consecutive failures needed to report unhealthy'],
  ['--health-start-interval <duration>', 'Time between running the check during the start period'],
  [
    '--health-start-period <duration>',
    'Start period for the container to initialize before counting retries',
  ],
  ['--health-timeout <duration>', 'Maximum time to allow one check to run (ms|s|m|h)'],
  ['--hostname <string>', 'Container hostname'],
  ['--init', 'Use an init inside each service container to forward signals and reap processes'],
  ['--limit-cpu <decimal>', 'Limit CPUs'],
  ['--limit-memory <bytes>', 'Limit Memory'],
  ['--limit-pids <int>', 'Limit maximum number of processes'],
  ['--log-driver <string>', 'Logging driver for service'],
  ['--log-opt <list>', 'Logging driver options', 'list'],
  ['--no-healthcheck', 'Disable any container-specified HEALTHCHECK'],
  ['-q, --quiet', 'Suppress progress output'],
  ['--read-only', "Mount the container's root filesystem as read only"],
  ['--replicas <uint>', 'Number of tasks'],
  ['--replicas-max-per-node <uint>', 'Maximum number of tasks per node'],
  ['--reserve-cpu <decimal>', 'Reserve CPUs'],
  ['--reserve-memory <bytes>', 'Reserve Memory'],
  ['--restart-condition <string>', 'Restart when condition is met ("none", "on-failure", "any")'],
  ['--restart-delay <duration>', 'Delay between restart attempts'],
  ['--restart-max-attempts <uint>', 'Maximum number of restarts before giving up'],
  ['--restart-window <duration>', 'Window used to evaluate the restart policy'],
  ['--rollback-delay <duration>', 'Delay between task rollbacks'],
  ['--rollback-failure-action <string>', 'Action on rollback failure ("pause", "continue")'],
  ['--rollback-max-failure-ratio <float>', 'Failure rate to tolerate during a rollback'],
  ['--rollback-monitor <duration>', 'Duration after each task rollback to monitor for failure'],
  ['--rollback-order <string>', 'Rollback order ("start-first", "stop-first")'],
  [
    '--rollback-parallelism <uint>',
    'Maximum number of tasks rolled back simultaneously (0 to roll back all at once)',
  ],
  ['--stop-grace-period <duration>', 'Time to wait before force killing a container'],
  ['--stop-signal <string>', 'Signal to stop the container'],
  ['-t, --tty', 'Allocate a pseudo-TTY'],
  ['--update-delay <duration>', 'Delay between updates'],
  [
    '--update-failure-action <string>',
    'Action on update failure ("pause", "continue", "rollback")',
  ],
  ['--update-max-failure-ratio <float>', 'Failure rate to tolerate during an update'],
  ['--update-monitor <duration>', 'Duration after each task update to monitor for failure'],
  ['--update-order <string>', 'Update order ("start-first", "stop-first")'],
  [
    '--update-parallelism <uint>',
    'Maximum number of tasks updated simultaneously (0 to update all at once)',
  ],
  ['-u, --user <string>', 'Username or UID (format: <name|uid>[:<group|gid>])'],
  ['-w, --workdir <string>', 'Working directory inside the container'],
];

const CREATE: readonly OptionSpec[] = [
  ['--config <config>', 'Specify configurations to expose to the service', 'list'],
  ['--constraint <list>', 'Placement constraints', 'list'],
  ['--container-label <list>', 'Container labels', 'list'],
  ['--dns <list>', 'Set custom DNS servers', 'list'],
  ['--dns-option <list>', 'Set DNS options', 'list'],
  ['--dns-search <list>', 'Set custom DNS search domains', 'list'],
  ['-e, --env <list>', 'Set environment variables', 'list'],
  ['--env-file <list>', 'Read in a file of environment variables', 'list'],
  ['--group <list>', 'Set one or more supplementary user groups for the container', 'list'],
  ['--host <list>', 'Set one or more custom host-to-IP mappings (host:ip)', 'list'],
  ['-l, --label <list>', 'Service labels', 'list'],
  ['--mode <string>', 'Service mode ("replicated", "global")'],
  ['--mount <mount>', 'Attach a filesystem mount to the service', 'list'],
  ['--name <string>', 'Service name'],
  ['--network <network>', 'Network attachments', 'list'],
  ['--placement-pref <pref>', 'Add a placement preference', 'list'],
  ['-p, --publish <port>', 'Publish a port as a node port', 'list'],
  ['--secret <secret>', 'Specify secrets to expose to the service', 'list'],
  ['--sysctl <list>', 'Sysctl options', 'list'],
  ['--ulimit <ulimit>', 'Ulimit options', 'list'],
];

const UPDATE: readonly OptionSpec[] = [
  ['--args <command>', 'Service command args'],
  ['--constraint-add <list>', 'Add or update a placement constraint', 'list'],
  ['--constraint-rm <list>', 'Remove a constraint', 'list'],
  ['--container-label-add <list>', 'Add or update a container label', 'list'],
  ['--container-label-rm <list>', 'Remove a container label by its key', 'list'],
  ['--env-add <list>', 'Add or update an environment variable', 'list'],
  ['--env-rm <list>', 'Remove an environment variable', 'list'],
  ['--force', 'Force update even if no changes require it'],
  ['--image <string>', 'Service image tag'],
  ['--label-add <list>', 'Add or update a service label', 'list'],
  ['--label-rm <list>', 'Remove a label by its key', 'list'],
  ['--mount-add <mount>', 'Add or update a mount on a service', 'list'],
  ['--mount-rm <list>', 'Remove a mount by its target path', 'list'],
  ['--network-add <network>', 'Add a network', 'list'],
  ['--network-rm <list>', 'Remove a network', 'list'],
  ['--publish-add <port>', 'Add or update a published port', 'list'],
  ['--publish-rm <port>', 'Remove a published port by its target port', 'list'],
  ['--rollback', 'Rollback to previous specification'],
];

function add(command: Command, specs: readonly OptionSpec[]): Command {
  for (const [flags, description, kind] of specs) {
    if (kind === 'list') command.option(flags, description, collect, []);
    else command.option(flags, description);
  }
  return command;
}

export const createOptions = (command: Command): Command => add(add(command, SHARED), CREATE);
export const updateOptions = (command: Command): Command => add(add(command, SHARED), UPDATE);
