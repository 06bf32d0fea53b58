// A stack file in its long form, several files merged: one way of saying each thing. Keys keep
// Compose's names; numbers are plain, durations and sizes still the texts of the file.

export type Texts = Readonly<Record<string, string>>;

export interface StackModel {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, ComposeNetwork>>;
  readonly volumes: Readonly<Record<string, ComposeVolume>>;
  readonly secrets: Readonly<Record<string, ComposePayload>>;
  readonly configs: Readonly<Record<string, ComposePayload>>;
}

export interface ComposeService {
  readonly image?: string;
  readonly command?: readonly string[] | null;
  readonly entrypoint?: readonly string[] | null;
  /** null: the value of the variable of that name in the environment of the command. */
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly env_file?: readonly ComposeEnvFile[];
  readonly labels?: Texts;
  readonly hostname?: string;
  readonly user?: string;
  readonly working_dir?: string;
  readonly tty?: boolean;
  readonly stdin_open?: boolean;
  readonly read_only?: boolean;
  readonly init?: boolean;
  readonly stop_signal?: string;
  readonly stop_grace_period?: string;
  readonly healthcheck?: ComposeHealthcheck;
  readonly logging?: { readonly driver?: string; readonly options?: Texts };
  readonly dns?: readonly string[];
  readonly dns_search?: readonly string[];
  readonly dns_opt?: readonly string[];
  /** `HOST=IP`. */
  readonly extra_hosts?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly group_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly oom_score_adj?: number;
  readonly sysctls?: Texts;
  readonly ulimits?: Readonly<
    Record<string, number | { readonly soft: number; readonly hard: number }>
  >;
  readonly volumes?: readonly ComposeMount[];
  readonly ports?: readonly ComposePort[];
  readonly networks?: Readonly<Record<string, ComposeAttachment>>;
  readonly network_mode?: string;
  readonly secrets?: readonly ComposePayloadReference[];
  readonly configs?: readonly ComposePayloadReference[];
  readonly restart?: string;
  readonly deploy?: ComposeDeploy;
}

export interface ComposeEnvFile {
  readonly path: string;
  readonly required: boolean;
}

export interface ComposeHealthcheck {
  readonly test?: readonly string[];
  readonly interval?: string;
  readonly timeout?: string;
  readonly retries?: number;
  readonly start_period?: string;
  readonly start_interval?: string;
  readonly disable?: boolean;
}

export interface ComposeMount {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  /** Key of a volume, or path on the host. */
  readonly source?: string;
  readonly target: string;
  readonly read_only?: boolean;
  readonly consistency?: string;
  readonly bind?: {
    readonly propagation?: string;
    readonly recursive?: string;
    readonly create_host_path?: boolean;
  };
  readonly volume?: { readonly nocopy?: boolean; readonly labels?: Texts };
  readonly tmpfs?: { readonly size?: string | number; readonly mode?: number };
}

export interface ComposePort {
  readonly target: number;
  readonly published?: number;
  readonly protocol: string;
  readonly mode: string;
  readonly name?: string;
  readonly host_ip?: string;
}

export interface ComposeAttachment {
  readonly aliases?: readonly string[];
  readonly driver_opts?: Texts;
  readonly ipv4_address?: string;
  readonly ipv6_address?: string;
}

export interface ComposePayloadReference {
  readonly source: string;
  readonly target?: string;
  readonly uid?: string;
  readonly gid?: string;
  readonly mode?: number;
}

export interface ComposeDeploy {
  readonly mode?: 'replicated' | 'global';
  readonly replicas?: number;
  readonly labels?: Texts;
  readonly endpoint_mode?: string;
  readonly placement?: {
    readonly constraints?: readonly string[];
    readonly preferences?: readonly { readonly spread: string }[];
    readonly max_replicas_per_node?: number;
  };
  readonly resources?: {
    readonly limits?: ComposeAmounts;
    readonly reservations?: ComposeAmounts;
  };
  readonly restart_policy?: {
    readonly condition?: string;
    readonly delay?: string;
    readonly max_attempts?: number;
    readonly window?: string;
  };
  readonly update_config?: ComposeUpdateConfig;
  readonly rollback_config?: ComposeUpdateConfig;
}

export interface ComposeAmounts {
  readonly cpus?: string | number;
  readonly memory?: string | number;
  readonly pids?: number;
}

export interface ComposeUpdateConfig {
  readonly parallelism?: number;
  readonly delay?: string;
  readonly failure_action?: string;
  readonly monitor?: string;
  readonly max_failure_ratio?: number;
  readonly order?: string;
}

/** Top-level objects that may belong to others: then only their name counts. */
export interface Outside {
  readonly name?: string;
  readonly external?: boolean;
  readonly labels?: Texts;
}

export interface ComposeNetwork extends Outside {
  readonly driver?: string;
  readonly driver_opts?: Texts;
  readonly ipam?: {
    readonly driver?: string;
    readonly config?: readonly {
      readonly subnet?: string;
      readonly gateway?: string;
      readonly ip_range?: string;
    }[];
  };
  readonly internal?: boolean;
  readonly attachable?: boolean;
  readonly enable_ipv6?: boolean;
}

export interface ComposeVolume extends Outside {
  readonly driver?: string;
  readonly driver_opts?: Texts;
}

export interface ComposePayload extends Outside {
  /** Path, made absolute. */
  readonly file?: string;
  /** Name of a variable that holds the content. */
  readonly environment?: string;
  readonly content?: string;
}

/** What an object is called in the cluster. */
export function nameInCluster(stack: string, key: string, object: Outside): string {
  if (object.name !== undefined) return object.name;
  return object.external === true ? key : `${stack}_${key}`;
}

const PREDEFINED = ['host', 'none', 'bridge'];

/** The network of every host that `network_mode` puts a service on. */
export function predefinedMode(service: ComposeService): string | undefined {
  return PREDEFINED.find((name) => name === service.network_mode);
}
