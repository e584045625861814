import type { Readable } from 'node:stream'
import type { Capability } from '../../linux/capabilities.ts'
import type {
  ContainerStreams,
  StreamsRequest,
} from '../../streams/container-streams.ts'
import type { CgroupResources } from '../../linux/cgroup-files.ts'
import type { SandboxNetwork } from './network/network-provider.ts'

/**
 * What the Pod's state machine asks of the machine: start this program in a world of its own.
 * src/runner/sandbox/ answers it with namespaces; nothing above knows how.
 */
export interface ContainerRuntime {
  /**
   * Makes what the containers of the Pod share; comes before all of them, but they need not wait
   * for it. Resolves when it is there, rejects when it cannot be. Once it is lost, a further call
   * makes it anew, when nothing runs any more: what was prepared before is of no use then.
   */
  createSandbox(config: SandboxConfig): Promise<RunningSandbox>
  /**
   * Resolves when the container's first process runs. Rejects with a `ContainerStartError`
   * when it cannot: no such program, a mount that fails.
   */
  start(container: ContainerLaunch): Promise<RunningContainer>
  /**
   * May build a container's world ahead of `start` with the same object, which is then quick;
   * its volumes must be mounted. Any number at a time. Rejects as `start` would.
   */
  prepare?(container: ContainerLaunch): Promise<void>
  /**
   * Begins with a container's root before its volumes are mounted, and goes on when `ready`
   * resolves; gives up when it rejects. A later `prepare` or `start` of a container of that
   * name uses it when it asks for the same root. Resolves as soon as this process has nothing
   * to do for it but wait. Never rejects: what fails is tried anew.
   */
  buildAhead?(root: ContainerRoot, ready: Promise<unknown>): Promise<void>
  /**
   * Volumes were lost and have been mounted anew: every container gets them at the places of
   * the dead ones, those that run and those that are being started. Rejects when one could
   * not be given to all.
   */
  renewVolumes?(): Promise<void>
  /** Rejects when the Pod's own network is no longer as it was made, and says what is not. */
  checkNetwork?(): Promise<void>
  /** Whether this machine can hold back system calls; absent: it cannot. */
  filtersSyscalls?(): Promise<boolean>
  /** Ends what is left of the Pod and removes what was made for it. All calls give one promise. */
  close(): Promise<void>
}

/** Whose the namespaces are (NamespaceMode of the CRI: POD, CONTAINER, NODE). */
export interface SandboxConfig {
  /** The kernel's, and the content of /etc/hostname. Absent: the machine's UTS namespace. */
  readonly hostname?: string
  readonly ipc: 'pod' | 'node'
  readonly pid: 'pod' | 'container' | 'node'
  /** Absent: the machine's. */
  readonly network?: SandboxNetwork
  /** What the Pod may use as a whole; absent: its manifest says nothing of that. */
  readonly resources?: CgroupResources
  /** Of these namespaces; names with dots. */
  readonly sysctls?: readonly {
    readonly name: string
    readonly value: string
  }[]
}

export interface RunningSandbox {
  /** Resolves when its process has ended: nothing more can be started in it. */
  readonly ended: Promise<void>
  /** Of a network of its own; at least one. */
  readonly podIPs?: readonly string[]
  /**
   * Whoever connects to these from the machine is answered by a proxy, whether or not a server of
   * the Pod listens.
   */
  readonly isProxied?: boolean
}

export interface ContainerLaunch extends ContainerRoot {
  /** Program and arguments, everything expanded; argv[0] is looked up in `env`'s PATH. */
  readonly argv: readonly string[]
  /** The whole environment, PATH and HOSTNAME included. Names may be any printable ASCII. */
  readonly env: ReadonlyMap<string, string>
  /**
   * PATH is what the image map says of the image: then busybox's applets come after all of it. Else
   * they come before the system's directories in it.
   */
  readonly isImagePath?: boolean
  readonly user?: ContainerUser
  /** `once`: it ends with that of the first who attaches. Absent: /dev/null. */
  readonly stdin?: 'open' | 'once'
  /** With a terminal, on which all output is. */
  readonly tty?: boolean
  /** The process in whose PID namespace it is to be, where each container has one of its own. */
  readonly pidNamespaceOf?: number
  /** Absent: those of podfs. */
  readonly labels?: ProcessLabels
  /** Where the sandbox has resources. */
  readonly resources?: CgroupResources
  /** How soon its processes are killed for want of memory: proc_pid_oom_score_adj(5). */
  readonly oomScoreAdjust?: number
}

/** What the kernel's security modules know its processes by, from the exec of the program on. */
export interface ProcessLabels {
  /** A profile, and aa-exec(1) to begin under it. */
  readonly appArmor?: { readonly aaExec: string; readonly profile: string }
  /** USER:ROLE:TYPE[:LEVEL]. */
  readonly seLinux?: string
}

/** What a container's file system is made of. */
export interface ContainerRoot {
  /** The container's. */
  readonly name: string
  /** Made if absent, as container engines do; `/` when not given. */
  readonly workingDir?: string
  readonly mounts: readonly ContainerMount[]
  /** The Pod's hosts file on the host, bound read-write at /etc/hosts; absent: the host's own. */
  readonly hostsFile?: string
  /** Likewise at /etc/resolv.conf. */
  readonly resolvConf?: string
  /** `/bin/sh` and PATH are busybox's: an image of the busybox family (see images.ts). */
  readonly busybox: boolean
  /** Files and directories of the host that it is to see where they are, if they are there. */
  readonly visible?: readonly string[]
  readonly rights: ContainerRights
}

export interface ContainerRights {
  /** With the devices of the host. */
  readonly privileged: boolean
  /**
   * The bounding set, and so what root has in the container; another user has none of them.
   * Those that podfs itself does not have are not given either.
   */
  readonly capabilities: readonly Capability[]
  /** What it executes gets no more rights than whoever executes it: no_new_privs (prctl(2)). */
  readonly noNewPrivileges?: true
  /** It can write its volumes and /dev, and nothing else. */
  readonly readOnlyRoot?: true
  /** It sees all of /proc and /sys, and can set in /proc what its user may. */
  readonly unmasked?: true
  /** Which system calls it may make; absent: all of them. `profile`: a file on the host. */
  readonly seccomp?: 'RuntimeDefault' | { readonly profile: string }
}

export interface ContainerUser {
  readonly uid: number
  readonly gid: number
  readonly supplementalGroups: readonly number[]
}

export interface ContainerMount {
  /** An existing file or directory on the host. */
  readonly source: string
  readonly mountPath: string
  readonly readOnly: boolean
  /** With its submounts (hostPath). */
  readonly recursive: boolean
  /** Its submounts, too, are read-only; with `readOnly`. */
  readonly readOnlyBelow?: true
  /** What is mounted in it on the host later comes here, too, where the host shares that. */
  readonly followsHost?: true
  /** What must come to be mounted (file-identity.ts); else the container does not start. */
  readonly identity?: string
  /** `source` is known to become a directory before it is there, at a path without links. */
  readonly isDirectory?: boolean
  /** Of a volume that may be mounted anew: where its source is now. */
  readonly locate?: () => Promise<string>
}

/** How a process ended, as Kubernetes says it: 128 + n when killed by signal n. */
export interface ExitStatus {
  readonly exitCode: number
  readonly signal?: NodeJS.Signals
  /** The kernel has killed one of its processes, because all together had used up their memory. */
  readonly isOutOfMemory?: true
}

export interface RunningContainer {
  /** The first process, as the host numbers it. */
  readonly pid: number
  readonly stdout: Readable
  readonly stderr: Readable
  /**
   * Resolves once the first process has ended, all others of the container are gone, and stdout
   * and stderr have been read to their end; without a reader, a second later.
   */
  readonly exited: Promise<ExitStatus>
  /** To the first process only, as a container engine does. No error when it has gone. */
  signal(signal: NodeJS.Signals | number): void
  /** Whether a TCP server of its Pod listens at a port, at another address than localhost. */
  isListenedOn?(port: number): boolean
  /**
   * Runs a command inside, with the container's environment, user and working directory
   * (lifecycle hooks, exec probes). Killed when `abort` fires.
   */
  exec(argv: readonly string[], abort: AbortSignal): Promise<ExecResult>
  /** Streams of a command inside, or of the container itself. Rejects with why there are none. */
  open(request: StreamsRequest): Promise<ContainerStreams>
  /** What it has written beside volumes and the directories of the host that it sees. */
  writtenBytes?(): Promise<bigint>
}

export interface ExecResult extends ExitStatus {
  /** stdout and stderr as they came, at most 10 KiB. */
  readonly output: string
  /** There was no command that could be run; `output` says why. */
  readonly notStarted?: true
}

export class ContainerStartError extends Error {
  override readonly name = 'ContainerStartError'
  readonly container: string
  constructor(container: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.container = container
  }
}
