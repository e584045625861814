import { join } from 'node:path'
import { abortable } from '../../util/abortable.ts'
import { systemClock, type Clock } from '../../util/clock.ts'
import { appletsOf, findLacks, type AppletUse } from './busybox-applets.ts'
import {
  ContainerStartError,
  type ContainerLaunch,
  type ContainerRoot,
  type ContainerRuntime,
  type RunningContainer,
  type RunningSandbox,
  type SandboxConfig,
} from './container-runtime.ts'
import { setUpContainer, type ContainerSetup } from './container-setup.ts'
import { findCgroupSupport } from '../../linux/cgroup-support.ts'
import { Cgroup } from '../../linux/cgroups.ts'
import { readHostView } from '../../linux/host-view.ts'
import { hasId, ownIdMaps } from '../../linux/user-namespace.ts'
import type { Launch } from './launch-command.ts'
import type { FuseOverlay } from './fuse-overlay.ts'
import { FuseOverlays } from './fuse-overlays.ts'
import {
  type BegunSkeleton,
  makeSkeleton,
  removeSkeleton,
} from './host-skeleton.ts'
import { LiveMounts, type ContainerLiveMounts } from './live-mounts.ts'
import {
  findFilterLoader,
  type FilterLoader,
  findBesideBusybox,
  findBusybox,
  findMachineTools,
  type MachineTools,
} from '../../linux/machine-tools.ts'
import { networkFile } from './network/attachment-file.ts'
import { PodNetwork } from './network/pod-network.ts'
import { type Pause, startPause } from './pause.ts'
import { PodFiles } from './pod-files.ts'
import { PodTmpfs } from './pod-tmpfs.ts'
import {
  planRoot,
  terminalGroup,
  type BusyboxMounts,
  type NestedOptions,
} from './root-plan.ts'
import { RootTemplates } from './root-template.ts'
import { resolvePath } from '../../linux/resolve-path.ts'
import { isMasked, toLaunch } from './to-launch.ts'
import {
  beginProcess,
  type BegunProcess,
  type StartedProcess,
} from './running-process.ts'
import { containerFilter } from './seccomp/container-filter.ts'
import { isFilteredArch } from './seccomp/syscall-numbers.ts'
import { inBackground } from '../../util/in-background.ts'

/*
 * Containers as processes of this machine. Who is who:
 *
 *   podfs
 *   |- pause (sh)         one for the Pod, in new UTS, IPC and perhaps network namespaces, which
 *   |                     it holds for as long as the Pod is there; PID 1 of a shared PID
 *   |                     namespace (pause.ts)
 *   |- setup (sh)         in those and a new mount namespace; builds the root (setup-script.ts)
 *   |                     and holds it until the container runs
 *   `- monitor (unshare)  in all of these namespaces, parent of the PID namespace
 *      `- the program     PID 1 of it; in a mount namespace copied from the setup's, with
 *         `- ...          its own /proc
 *
 * Everything ends with its parent (launch-command.ts): whichever of podfs, monitor and
 * program dies first, even by SIGKILL, the kernel kills the rest, processes with sessions of
 * their own included. Namespaces are held by these processes alone and by no file, so mounts
 * go with them. What remains on the disk is the scratch directory.
 *
 * A container is root on those of the host's files that it sees, with the capabilities that a
 * container run-time gives it: no mount, no device but the usual ones, and a /proc and /sys in
 * which it can set nothing (kernel-masks.ts).
 */

export interface SandboxOptions {
  /** For this Pod alone, made if absent: mount points, hostname. */
  readonly scratchDirectory: string
  /**
   * Of all Pods of a session, for what they share, which whoever ends the session takes away;
   * absent: nothing is shared.
   */
  readonly sharedDirectory?: string
  /** In a user namespace: what a container may write to, where somebody has begun it. */
  readonly skeleton?: BegunSkeleton
  /** For all Pods, made if need be, and kept: links to busybox. */
  readonly appletsDirectory: string
  /** podfs's own: in no container's tree, whatever is mounted and unmounted there. */
  readonly ownDirectories: readonly string[]
  /** The host as it is, without copy-on-write. */
  readonly hostRoot?: boolean
  /** Directories of the host that containers share, or all of them: see root-plan.ts. */
  readonly hostDirectories: readonly string[]
  /** Files and directories of the host that containers see where they are, whatever they share. */
  readonly visible: readonly string[]
  /** Volumes that may be mounted anew are about to come: their place is made at once. */
  readonly expectsLiveVolumes?: boolean
  /** What a person is to know of a container. */
  readonly notice?: (text: string) => void
  readonly clock?: Clock
}

export type SandboxRuntime = Required<ContainerRuntime>

/** Whether `busybox: true` gives busybox's shell; else the machine's own programs run. */
export function hasBusybox(): boolean {
  return findBusybox() !== undefined
}

/** What neither busybox can do, nor another program of this machine in its place. */
export async function machineLacks(
  uses?: readonly AppletUse[],
): Promise<readonly AppletUse[]> {
  const busybox = findBusybox()
  if (busybox === undefined) return []
  const lacks = await findLacks(busybox, uses)
  return lacks.filter(({ applet }) => findBesideBusybox(applet) === undefined)
}

export function createSandboxRuntime(options: SandboxOptions): SandboxRuntime {
  return new Sandbox(options)
}

class Sandbox implements SandboxRuntime {
  readonly #options: SandboxOptions
  readonly #clock: Clock
  readonly #podFiles: PodFiles
  readonly #tmpfs: PodTmpfs
  readonly #live: LiveMounts
  /** In a user namespace. */
  readonly #skeleton: Promise<string> | undefined
  readonly #idMaps = ownIdMaps()
  readonly #fuseOverlays: FuseOverlays
  /** Of each setup whose container is not known to have ended. */
  readonly #liveOf = new Map<ContainerSetup, ContainerLiveMounts>()
  readonly #prepared = new Map<ContainerLaunch, Promise<Prepared>>()
  /** Of each container's name, what has been begun before its volumes were there. */
  readonly #ahead = new Map<string, RootAhead>()
  readonly #closing = new AbortController()
  readonly #setups = new Set<ContainerSetup>()
  readonly #starting = new Set<Promise<StartedProcess>>()
  readonly #running = new Set<StartedProcess>()
  #config: SandboxConfig | undefined
  #cgroup: Cgroup | undefined
  #starts = 0
  #pause: Promise<Pause> | undefined
  #network: PodNetwork | undefined
  /** What is being made for the Pod; settled, there is nothing more to wait for. */
  #making: Promise<unknown> = Promise.resolve()
  #tools: MachineTools | undefined
  #templates: RootTemplates | undefined
  #filterLoader: Promise<FilterLoader | undefined> | undefined
  #closed: Promise<void> | undefined

  constructor(options: SandboxOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    const { scratchDirectory, expectsLiveVolumes, hostRoot, notice } = options
    this.#fuseOverlays = new FuseOverlays({
      ids: hostRoot ? undefined : this.#idMaps,
      directory: join(scratchDirectory, 'written'),
      notice: text => notice?.(text),
    })
    this.#tmpfs = new PodTmpfs(scratchDirectory, this.#fuseOverlays.written)
    this.#live = new LiveMounts(this.#tmpfs.live)
    this.#podFiles = new PodFiles(scratchDirectory)
    if (this.#idMaps !== undefined && !hostRoot)
      this.#skeleton = makeSkeleton(
        options.sharedDirectory ?? scratchDirectory,
        options.skeleton,
      )
    // A container's start asks again, and tells.
    this.#skeleton?.catch(() => undefined)
    if (expectsLiveVolumes) this.#tmpfs.made().catch(() => undefined)
  }

  async createSandbox(config: SandboxConfig): Promise<RunningSandbox> {
    this.#config = config
    const before = this.#pause
    const made = before === undefined ? this.#begin(config) : this.#anew(config)
    this.#pause = made
    // Every start asks for it, and tells.
    made.catch(() => undefined)
    if (config.network === undefined) return await made
    // Roots are built in it meanwhile.
    const connected = made.then(pause => this.#connect(pause, config))
    this.#making = connected.catch(() => undefined)
    return await connected
  }

  async #connect(
    { ended, pid }: Pause,
    { network }: SandboxConfig,
  ): Promise<RunningSandbox> {
    if (network === undefined) return { ended }
    this.#network ??= new PodNetwork(
      this.#findTools(),
      join(this.#options.scratchDirectory, networkFile),
    )
    const { podIPs, isProxied, lost } = await this.#network.attach(
      pid,
      network,
      this.#closing.signal,
    )
    return { ended: Promise.race([ended, lost]), podIPs, isProxied }
  }

  async checkNetwork(): Promise<void> {
    await this.#network?.check()
  }

  async #begin(config: SandboxConfig): Promise<Pause> {
    if (this.#closed) throw new Error('the Pod has ended')
    this.#podFiles.begin(config)
    this.#cgroup = this.#makeCgroup(config)
    if (config.ipc === 'pod') this.#tmpfs.made().catch(() => undefined)
    const { world } = this.#podFiles.make()
    return await startPause(this.#findTools(), config, world)
  }

  /** Where the Pod has something to limit, or no PID namespace ends a container. */
  #makeCgroup({ resources, pid }: SandboxConfig): Cgroup | undefined {
    if (resources === undefined && pid === 'container') return undefined
    const { hierarchies } = findCgroupSupport()
    if (hierarchies.length === 0) return undefined
    return Cgroup.make(
      this.#podFiles.cgroupName,
      hierarchies,
      resources ?? { hugePages: new Map() },
    )
  }

  async #anew(config: SandboxConfig): Promise<Pause> {
    // At once: soon `#pause` is the next one.
    await Promise.all([this.#endPause(), this.#making])
    await this.#discardPrepared()
    await this.#tmpfs.renewSharedMemory()
    return await this.#begin(config)
  }

  async #endPause(): Promise<void> {
    const pause = await this.#pause?.catch(() => undefined)
    await pause?.end()
  }

  async #discardPrepared(): Promise<void> {
    const ahead = [...this.#ahead.values()].map(async ({ setup }) => ({
      setup: await setup,
    }))
    const all: Promise<Prepared>[] = [...this.#prepared.values(), ...ahead]
    this.#prepared.clear()
    this.#ahead.clear()
    await Promise.all(
      all.map(async made => {
        const prepared = await made.catch(() => undefined)
        if (prepared !== undefined) await this.#discard(prepared)
      }),
    )
  }

  async #pauseNow(): Promise<Pause> {
    const pause = await this.#pause
    if (pause === undefined || pause.isDying())
      throw new Error("the Pod's sandbox is gone")
    return pause
  }

  async buildAhead(
    root: ContainerRoot,
    ready: Promise<unknown>,
  ): Promise<void> {
    const goOn = abortable(ready, this.#closing.signal)
    goOn.catch(() => undefined)
    await new Promise<void>(resolve => {
      const setup = this.#setUp(root, { ready: goOn, onBegun: resolve })
      setup.catch(() => resolve())
      this.#ahead.set(root.name, { key: rootKey(root), setup })
    })
  }

  async prepare(container: ContainerLaunch): Promise<void> {
    let prepared = this.#prepared.get(container)
    if (!prepared) {
      prepared = this.#prepare(container)
      this.#prepared.set(container, prepared)
    }
    await prepared
  }

  async start(container: ContainerLaunch): Promise<RunningContainer> {
    const starting = this.#start(container)
    this.#starting.add(starting)
    try {
      return await starting
    } finally {
      this.#starting.delete(starting)
    }
  }

  async #start(container: ContainerLaunch): Promise<StartedProcess> {
    const prepared = this.#prepared.get(container)
    // Each start has a root of its own: a restarted container finds its files as new.
    this.#prepared.delete(container)
    const {
      setup,
      begun = await this.#beginChain(container, setup),
    }: Prepared = (await prepared) ?? {
      setup: await this.#setUpOrGoOn(container),
    }
    const { chain, cgroup } = begun
    try {
      await this.#pauseNow()
      const running = await chain.start()
      this.#running.add(running)
      inBackground(this.#fuseOverlays.endWith(setup, running, container.name))
      inBackground(this.#noteEnd(running, setup, cgroup))
      return running
    } catch (error) {
      await this.#abandon(setup, begun)
      throw error
    } finally {
      // Not awaited: the kernel takes its time to dismantle a mount namespace.
      inBackground(this.#releaseSetup(setup))
    }
  }

  /** The world, and where the program can be made to wait for its turn, what stands before it. */
  async #prepare(container: ContainerLaunch): Promise<Prepared> {
    const setup = await this.#setUpOrGoOn(container)
    if (!isMasked(container)) return { setup }
    return { setup, begun: await this.#beginChain(container, setup) }
  }

  async #beginChain(
    container: ContainerLaunch,
    setup: ContainerSetup,
  ): Promise<Begun> {
    let cgroup: Cgroup | undefined
    try {
      const pause = await this.#pauseNow()
      cgroup = this.#makeContainerCgroup(container)
      const fuseOverlay = this.#fuseOverlays.of(setup)
      if (cgroup !== undefined) fuseOverlay?.enter(cgroup.entries)
      const chain = await beginProcess({
        tools: this.#findTools(),
        clock: this.#clock,
        name: container.name,
        setup,
        masksFile: this.#podFiles.masks(),
        pause,
        launch: await this.#toLaunch(container, cgroup),
        stdin: container.stdin,
        tty: container.tty === true,
        newDirectory: () => this.#podFiles.newStreams(),
        ...(cgroup && { cgroup }),
        ...(fuseOverlay && { fuseOverlay }),
      })
      return { chain, cgroup }
    } catch (error) {
      await this.#abandon(setup, { cgroup })
      inBackground(this.#releaseSetup(setup))
      throw error
    }
  }

  /** What has not come to run, but for its root. */
  async #abandon(
    setup: ContainerSetup,
    { chain, cgroup }: Partial<Begun>,
  ): Promise<void> {
    await chain?.abandon()
    await this.#releaseHeld(setup)
    await cgroup?.kill(this.#clock)
    await cgroup?.remove(this.#clock)
  }

  async filtersSyscalls(): Promise<boolean> {
    return (await this.#loader()) !== undefined
  }

  #loader(): Promise<FilterLoader | undefined> {
    this.#filterLoader ??= isFilteredArch(process.arch)
      ? findFilterLoader(this.#findTools().setpriv)
      : Promise.resolve(undefined)
    return this.#filterLoader
  }

  async #toLaunch(
    container: ContainerLaunch,
    cgroup: Cgroup | undefined,
  ): Promise<Launch> {
    const { name, rights } = container
    const loader =
      rights.seccomp === undefined ? undefined : await this.#loader()
    const program = loader && containerFilter(rights)
    return toLaunch(
      container,
      cgroup,
      program && { loader, file: this.#podFiles.filter(name, program) },
    )
  }

  /** Each start has one of its own: what the kernel counts in it begins anew. */
  #makeContainerCgroup({
    name,
    resources,
  }: ContainerLaunch): Cgroup | undefined {
    this.#starts += 1
    try {
      return this.#cgroup?.makeChild(
        `${name}-${this.#starts}`,
        resources ?? { hugePages: new Map() },
      )
    } catch (error) {
      const message = `cannot make its cgroup: ${(error as Error).message}`
      throw new ContainerStartError(name, message, { cause: error })
    }
  }

  /** What cannot be taken away now is tried again by `close`, which tells of a failure. */
  async #noteEnd(
    running: StartedProcess,
    setup: ContainerSetup,
    cgroup: Cgroup | undefined,
  ): Promise<void> {
    await running.exited
    this.#running.delete(running)
    await this.#releaseHeld(setup).catch(() => undefined)
    await cgroup?.remove(this.#clock).catch(() => undefined)
  }

  /** A setup that cannot be released now is tried again by `close`, too. */
  async #releaseSetup(setup: ContainerSetup): Promise<void> {
    try {
      await setup.release()
    } catch {
      return
    }
    this.#setups.delete(setup)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#closing.abort(new Error('the Pod has ended'))
    await Promise.allSettled(this.#starting)
    await this.#discardPrepared()
    await Promise.all([...this.#running].map(running => running.kill()))
    await Promise.all([...this.#setups].map(setup => setup.release()))
    await this.#fuseOverlays.end()
    await this.#making
    await this.#endPause()
    await this.#network?.detach()
    await this.#cgroup?.kill(this.#clock)
    await this.#cgroup?.remove(this.#clock)
    await this.#tmpfs.close()
    await this.#endSkeleton()
    await this.#podFiles.remove()
  }

  /** What is under way comes to its end: nothing is mounted by it when the Pod is gone. */
  async #endSkeleton(): Promise<void> {
    const skeleton = await this.#skeleton?.catch(() => undefined)
    if (skeleton === undefined || this.#options.sharedDirectory !== undefined)
      return
    await removeSkeleton(skeleton)
  }

  async renewVolumes(): Promise<void> {
    await this.#live.renew()
  }

  async #releaseHeld(setup: ContainerSetup): Promise<void> {
    await this.#fuseOverlays.release(setup)
    await this.#liveOf.get(setup)?.release()
    this.#liveOf.delete(setup)
  }

  async #setUpOrGoOn(container: ContainerLaunch): Promise<ContainerSetup> {
    const ahead = this.#ahead.get(container.name)
    this.#ahead.delete(container.name)
    const setup = await ahead?.setup.catch(() => undefined)
    if (setup === undefined) return await this.#setUp(container)
    if (ahead?.key === rootKey(container)) return setup
    await this.#discard({ setup })
    return await this.#setUp(container)
  }

  async #discard({ setup, begun }: Prepared): Promise<void> {
    await this.#abandon(setup, begun ?? {})
    await setup.release()
    this.#setups.delete(setup)
  }

  async #setUp(
    container: ContainerRoot,
    ahead: Ahead = {},
  ): Promise<ContainerSetup> {
    if (this.#closed)
      throw new ContainerStartError(container.name, 'the Pod has ended')
    const isLive = container.mounts.some(({ locate }) => locate !== undefined)
    let live: ContainerLiveMounts | undefined
    try {
      if (isLive) live = this.#live.open()
      const setup = await this.#setUpOnStillMachine(container, live, ahead)
      this.#setups.add(setup)
      if (live !== undefined) this.#liveOf.set(setup, live)
      return setup
    } catch (error) {
      await live?.release()
      const message = error instanceof Error ? error.message : String(error)
      throw new ContainerStartError(container.name, message, { cause: error })
    }
  }

  /**
   * Between the look at the machine and the mounts, others may make and remove what the plan
   * names. A failure counts only when the machine still looks the same.
   */
  async #setUpOnStillMachine(
    container: ContainerRoot,
    live: ContainerLiveMounts | undefined,
    { ready, onBegun }: Ahead,
  ): Promise<ContainerSetup> {
    const tools = this.#findTools()
    const { hostsFile, resolvConf, mounts, visible = [] } = container
    const { workingDir = '/' } = container
    const { hostRoot = false, ownDirectories, hostDirectories } = this.#options
    const { privileged, capabilities, readOnlyRoot, unmasked } =
      container.rights
    const hasSharedMemory = this.#config?.ipc === 'pod'
    const busybox = container.busybox ? await this.#findBusybox() : undefined
    const nested = await this.#nested()
    let failed: { readonly plan: string; readonly error: unknown } | undefined
    for (;;) {
      const host = readHostView()
      const files = this.#podFiles.make()
      const hidden = ownDirectories.map(path => resolvePath(path, host))
      const hasFuseOverlay = readOnlyRoot !== true && this.#fuseOverlays.areUsed
      const plan = planRoot(host, {
        world: files.world,
        mounts,
        workingDir,
        hostRoot,
        hidden,
        privileged,
        readOnly: readOnlyRoot === true,
        unmasked: unmasked === true,
        ownNetwork: this.#config?.network !== undefined,
        hostDirectories,
        visible: [...this.#options.visible, ...visible],
        ...(hasSharedMemory && { sharedMemory: this.#tmpfs.sharedMemory }),
        ...(hostsFile === undefined ? {} : { hostsFile }),
        ...(resolvConf === undefined ? {} : { resolvConf }),
        ...(files.hostnameFile && { hostnameFile: files.hostnameFile }),
        ...(busybox === undefined ? {} : { busybox }),
        ...(live === undefined ? {} : { liveDirectory: live.directory }),
        ...(nested && {
          nested: { ...nested, hasFuseOverlay },
        }),
      })
      const planText = JSON.stringify(plan)
      if (failed?.plan === planText) throw failed.error
      // Not before: these take as long as the plan.
      const { entrance } = await this.#pauseNow()
      if (live !== undefined || hasSharedMemory || hasFuseOverlay) {
        await this.#tmpfs.made()
        // There files cost less than where the run-time directory is on a disk.
        this.#templates ??= new RootTemplates(join(this.#tmpfs.live, 'roots'))
      }
      this.#templates ??= new RootTemplates(this.#podFiles.templates)
      const templates = this.#templates
      let fuseOverlay: FuseOverlay | undefined
      try {
        if (hasFuseOverlay) fuseOverlay = this.#fuseOverlays.open(tools)
        const setUp = (template: string): Promise<ContainerSetup> =>
          setUpContainer({
            tools,
            plan,
            world: files.world,
            template,
            ...this.#podFiles.makeSetup(),
            entrance,
            locked: capabilities.includes('SYS_ADMIN'),
            ...(live === undefined ? {} : { live }),
            ...(ready === undefined ? {} : { ready }),
            ...(onBegun === undefined ? {} : { onBegun }),
            ...(fuseOverlay && { fuseOverlay }),
          })
        const setup = await templates.use(plan, files.world, setUp)
        if (fuseOverlay !== undefined)
          this.#fuseOverlays.keep(setup, fuseOverlay)
        return setup
      } catch (error) {
        await live?.empty()
        if (fuseOverlay !== undefined)
          await this.#fuseOverlays.fail(fuseOverlay)
        failed = { plan: planText, error }
      }
    }
  }

  async #nested(): Promise<NestedOptions | undefined> {
    if (this.#idMaps === undefined) return undefined
    const skeleton = await this.#skeleton
    return {
      ...(skeleton !== undefined && { skeleton }),
      hasTerminalGroup: hasId(this.#idMaps.gids, terminalGroup),
    }
  }

  async #findBusybox(): Promise<BusyboxMounts | undefined> {
    const program = findBusybox()
    if (program === undefined) return undefined
    const { appletsDirectory } = this.#options
    return { program, applets: await appletsOf(program, appletsDirectory) }
  }

  #findTools(): MachineTools {
    this.#tools ??= findMachineTools()
    return this.#tools
  }
}

/** What is made of a container before its turn. */
interface Prepared {
  readonly setup: ContainerSetup
  readonly begun?: Begun
}

interface Begun {
  readonly chain: BegunProcess
  readonly cgroup: Cgroup | undefined
}

/** What is to be known of a root that is built before its volumes are there. */
interface Ahead {
  readonly ready?: Promise<unknown>
  /** From now on other processes work on it. */
  readonly onBegun?: () => void
}

interface RootAhead {
  readonly key: string
  readonly setup: Promise<ContainerSetup>
}

/** Equal for what is planned and mounted in the same way. */
function rootKey(root: ContainerRoot): string {
  const { mounts, workingDir, hostsFile, resolvConf } = root
  const { busybox, rights, visible } = root
  const places = mounts.map(mount => [
    mount.source,
    mount.mountPath,
    mount.readOnly,
    mount.recursive,
    mount.readOnlyBelow,
    mount.followsHost,
    mount.identity,
    mount.locate !== undefined,
  ])
  return JSON.stringify([
    places,
    workingDir,
    hostsFile,
    resolvConf,
    busybox,
    rights,
    visible,
  ])
}
