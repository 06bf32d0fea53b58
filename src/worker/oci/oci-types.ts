// The part of the OCI runtime specification (1.0.2) that this project writes.

export interface OciUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids?: readonly number[];
}

export interface OciProcess {
  readonly terminal?: boolean;
  readonly user: OciUser;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities?: Readonly<
    Record<'bounding' | 'effective' | 'permitted', readonly string[]>
  >;
  readonly rlimits?: readonly {
    readonly type: string;
    readonly soft: number | bigint;
    readonly hard: number | bigint;
  }[];
  readonly noNewPrivileges?: boolean;
  readonly oomScoreAdj?: number;
}

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface OciResources {
  readonly devices: readonly { readonly allow: boolean; readonly access: string }[];
  readonly memory?: { readonly limit?: number; readonly reservation?: number };
  readonly cpu?: { readonly quota?: number; readonly period?: number; readonly shares?: number };
  readonly pids?: { readonly limit: number };
}

export interface OciNamespace {
  readonly type: 'mount' | 'pid' | 'uts' | 'ipc' | 'network' | 'cgroup';
  readonly path?: string;
}

export interface OciSyscallRule {
  readonly names: readonly string[];
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  readonly errnoRet?: number;
  readonly args?: readonly {
    readonly index: number;
    readonly value: number;
    readonly valueTwo?: number;
    readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_LT' | 'SCMP_CMP_MASKED_EQ';
  }[];
}

export interface OciSeccomp {
  readonly defaultAction: 'SCMP_ACT_ERRNO';
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly OciSyscallRule[];
}

export interface OciSpec {
  readonly ociVersion: string;
  readonly process: OciProcess;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname?: string;
  readonly mounts: readonly OciMount[];
  readonly linux: {
    readonly cgroupsPath: string;
    readonly namespaces: readonly OciNamespace[];
    readonly resources: OciResources;
    readonly seccomp?: OciSeccomp;
    readonly sysctl?: Readonly<Record<string, string>>;
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
  };
}
