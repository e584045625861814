/** How Pods get networks of their own on this machine; plain data, which a shim can be told. */
export type NetworkProvider = (CniProvider | PastaProvider) & {
  /** What podfs takes for the machine is a network namespace of its own. */
  readonly gateway?: Gateway
}

/** Who leads from that namespace to the machine and back. */
export interface Gateway {
  readonly directory: string
  /** The lowest port of the machine that this user may listen on. */
  readonly firstPort: number
}

/** Plugins of the Container Network Interface, of which podfs is the runtime. */
export interface CniProvider {
  readonly kind: 'cni'
  /** Where plugins are looked for, in this order. */
  readonly binDirs: readonly string[]
  /** Whose first network is every Pod's; absent: podfs's own network. */
  readonly confDir?: string
  /** For podfs's own network, of this machine's podfs alone; made if need be. */
  readonly directory: string
}

/** pasta(1): for each Pod a process that makes its connections as the machine's own. */
export interface PastaProvider {
  readonly kind: 'pasta'
  readonly program: string
  /** As above. */
  readonly directory: string
}

/** A port at which something of a Pod listens. */
export interface Port {
  readonly containerPort: number
  /** TCP, UDP or SCTP. */
  readonly protocol: string
}

/** A port of this machine that leads to one of a Pod. */
export interface PortMapping extends Port {
  readonly hostPort: number
  /** Absent: all addresses of this machine. */
  readonly hostIP?: string
}

/** A network namespace of a Pod's own, and who it is of. */
export interface SandboxNetwork {
  readonly provider: NetworkProvider
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** As far as the manifest names them. */
  readonly ports: readonly Port[]
  readonly portMappings: readonly PortMapping[]
  /** Further ones, where there is a gateway. */
  readonly places?: readonly PortMapping[]
}
