// The parts of the Engine API's objects that the CLI reads.

export interface WireMeta {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly CreatedAt: string;
  readonly UpdatedAt: string;
}

export interface WirePort {
  readonly Protocol?: string;
  readonly TargetPort: number;
  readonly PublishedPort?: number;
  readonly PublishMode?: string;
  readonly HostIP?: string;
}

/** Specs are handed through as they are; only what is looked at has a type. */
export type Loose = Readonly<Record<string, unknown>>;

export interface WireServiceSpec {
  readonly Name: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Mode: { readonly Replicated?: { readonly Replicas: number }; readonly Global?: object };
  readonly TaskTemplate: {
    readonly ContainerSpec: { readonly Image: string } & Loose;
    readonly Networks?: readonly {
      readonly Target: string;
      readonly Aliases?: readonly string[];
    }[];
    readonly Placement?: {
      readonly MaxReplicas?: number;
      readonly Constraints?: readonly string[];
    } & Loose;
    readonly ForceUpdate?: number;
    readonly Resources?: { readonly Limits?: Loose; readonly Reservations?: Loose };
    readonly RestartPolicy?: Loose;
    readonly LogDriver?: Loose;
  };
  readonly EndpointSpec?: { readonly Mode?: string; readonly Ports?: readonly WirePort[] };
  readonly UpdateConfig?: Loose;
  readonly RollbackConfig?: Loose;
}

export interface WireService extends WireMeta {
  readonly Spec: WireServiceSpec;
  readonly PreviousSpec?: WireServiceSpec;
  readonly Endpoint?: {
    readonly Ports?: readonly WirePort[];
    readonly VirtualIPs?: readonly { readonly NetworkID: string; readonly Addr: string }[];
  };
  readonly ServiceStatus?: { readonly RunningTasks: number; readonly DesiredTasks: number };
  readonly UpdateStatus?: {
    readonly State: string;
    readonly Message?: string;
    readonly StartedAt?: string;
  };
}

export interface WireTask extends WireMeta {
  readonly ServiceID: string;
  readonly Slot?: number;
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly Spec: { readonly ContainerSpec: { readonly Image?: string } };
  readonly Status: {
    readonly Timestamp: string;
    readonly State: string;
    readonly Message?: string;
    readonly Err?: string;
    readonly PortStatus?: { readonly Ports?: readonly WirePort[] };
  };
}

export interface WireNode extends WireMeta {
  readonly Spec: {
    readonly Role: string;
    readonly Availability: string;
    readonly Labels?: Readonly<Record<string, string>>;
    readonly Name?: string;
  };
  readonly Description: {
    readonly Hostname: string;
    readonly Platform: { readonly Architecture: string; readonly OS: string };
    readonly Resources: { readonly NanoCPUs: number; readonly MemoryBytes: number };
    readonly Engine: {
      readonly EngineVersion: string;
      readonly Labels?: Readonly<Record<string, string>>;
    };
  };
  readonly Status: { readonly State: string; readonly Addr: string; readonly Message?: string };
  readonly ManagerStatus?: {
    readonly Leader?: boolean;
    readonly Reachability: string;
    readonly Addr: string;
  };
}

export interface WireNetwork {
  readonly Id: string;
  readonly Name: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly Labels?: Readonly<Record<string, string>>;
}

export interface WireSwarm extends WireMeta {
  readonly JoinTokens: { readonly Worker: string; readonly Manager: string };
}

export interface WireInfo {
  readonly Name: string;
  readonly ServerVersion: string;
  readonly Swarm: {
    readonly NodeID: string;
    readonly NodeAddr: string;
    readonly LocalNodeState: string;
    readonly ControlAvailable: boolean;
    readonly Error: string;
    readonly Nodes?: number;
    readonly Managers?: number;
    readonly RemoteManagers?: readonly { readonly NodeID: string; readonly Addr: string }[] | null;
    readonly Cluster?: { readonly ID: string };
  };
}
