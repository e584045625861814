import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileIdentity } from '../../linux/file-identity.ts'
import { formatFstab } from './fstab.ts'
import { fuseOverlayPlace, type FuseOverlay } from './fuse-overlay.ts'
import type { ContainerLiveMounts } from './live-mounts.ts'
import { systemPath, type MachineTools } from '../../linux/machine-tools.ts'
import { isCovered } from '../../linux/mount-table.ts'
import { hasCode } from '../../util/error-code.ts'
import {
  readMountinfo,
  isPodfsMount,
  type Mount,
} from '../../linux/mountinfo.ts'
import { hostView } from './host-binds.ts'
import type { PlannedMountPath, RootPlan, VolumePoint } from './planned-root.ts'
import { layersPlace, oldRoot, scaffold } from './root-template.ts'
import {
  fuseMounted,
  rootReady,
  setupDone,
  setupScript,
} from './setup-script.ts'

/**
 * A process that holds a container's mount namespace until the container's own processes do,
 * inside the namespaces of its Pod. No namespace is pinned in the host's file system, so that nothing can stay
 * behind. It ends with podfs: by its parent-death signal, and because its input closes.
 */
export interface ContainerSetup {
  readonly pid: number
  /** What is mounted at `/` is called so, and nothing else on this machine is. */
  readonly rootName: string
  readonly stdoutFifo: string
  readonly stderrFifo: string
  /** Lets go of the namespaces. Never rejects. */
  release(): Promise<void>
}

export interface ContainerSetupOptions {
  readonly tools: MachineTools
  readonly plan: RootPlan
  readonly world: string
  /** See root-template.ts. */
  readonly template: string
  /** An empty directory on the host, for this setup alone; removed at its release. */
  readonly directory: string
  /** Options of nsenter: see pause.ts. */
  readonly entrance: readonly string[]
  /** See setup-script.ts. */
  readonly locked: boolean
  /** By it podfs, or a later one, knows whose processes are left. */
  readonly rootName: string
  /** Where the plan's live places are, when it has some. */
  readonly live?: ContainerLiveMounts
  /** Resolves when the volumes are mounted; absent: they are. */
  readonly ready?: Promise<unknown>
  /** Where the plan has one. */
  readonly fuseOverlay?: FuseOverlay
  /** The setup's process has been started; this one has nothing to do for it now. */
  readonly onBegun?: () => void
}

type SetupProcess = ChildProcessByStdio<Writable, Readable, Readable>

export async function setUpContainer(
  options: ContainerSetupOptions,
): Promise<ContainerSetup> {
  const { plan, directory, rootName } = options
  const paths = pathsIn(directory)
  for (const point of plan.volumePoints) makeVolumePoint(point)
  options.live?.makePlaces(plan.livePlaces)
  writeFileSync(paths.fstabFile, formatFstab(plan.fstab))
  const child = spawnSetup(options)
  options.onBegun?.()
  const exited = once(child, 'close')
  // What it still says when it is told to end is for nobody.
  child.stdin.on('error', () => undefined)
  const release = async (): Promise<void> => {
    child.stdin.destroy()
    await exited.catch(() => undefined)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    const pid = await converse(child, options)
    const { stdoutFifo, stderrFifo } = paths
    return { pid, rootName, stdoutFifo, stderrFifo, release }
  } catch (error) {
    await release()
    throw error
  }
}

function pathsIn(directory: string): {
  fstabFile: string
  stdoutFifo: string
  stderrFifo: string
} {
  return {
    fstabFile: join(directory, 'fstab'),
    stdoutFifo: join(directory, 'stdout'),
    stderrFifo: join(directory, 'stderr'),
  }
}

function spawnSetup(options: ContainerSetupOptions): SetupProcess {
  const { tools, plan, world, template, directory } = options
  const { entrance, locked, rootName, fuseOverlay } = options
  const { fstabFile, stdoutFifo, stderrFifo } = pathsIn(directory)
  const script = setupScript({
    plan,
    world,
    template,
    fstabFile,
    fifos: [stdoutFifo, stderrFifo],
    locked,
    rootName,
  })
  return spawn(
    tools.setpriv,
    [
      ['--pdeathsig', 'KILL', '--'],
      entrance.length === 0 ? [] : [tools.nsenter, ...entrance, '--'],
      [tools.unshare, '--mount', '--propagation', 'slave', '--'],
      [tools.sh, '-c', script],
    ].flat(),
    {
      cwd: '/',
      env: { PATH: systemPath, LC_ALL: 'C' },
      stdio: [
        'pipe',
        'pipe',
        'pipe',
        ...(fuseOverlay ? [fuseOverlay.device] : []),
      ],
      // Ctrl-C at the terminal is for podfs to handle.
      detached: true,
    },
  ) as SetupProcess
}

/** The script's side: setup-script.ts. Resolves with the pid. */
async function converse(
  child: SetupProcess,
  options: ContainerSetupOptions,
): Promise<number> {
  const errors: string[] = []
  child.stderr
    .setEncoding('utf8')
    .on('data', (text: string) => errors.push(text))
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      // The place where the root is put together means nothing to the user.
      const said = errors.join('').trim().replaceAll(options.world, '')
      reject(
        new Error(
          `cannot make the root: ${said || `ended by ${signal ?? code}`}`,
        ),
      )
    })
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const expect = async (word: string): Promise<void> => {
    const { value } = await lines.next()
    // At the end of its output it has ended, or is about to: `failed` knows why.
    if (value !== word) await failed
  }
  failed.catch(() => undefined)
  // Without a pid there is an 'error' event.
  const { pid = 0 } = child
  if (options.fuseOverlay !== undefined) {
    await Promise.race([expect(fuseMounted), failed])
    options.fuseOverlay.begin()
  }
  await Promise.race([expect(rootReady), failed])
  makeAbsent(pid, options.plan.absent)
  detachScaffold(pid, options.plan)
  const { mountPaths, covered, readOnly, nested } = options.plan
  const foreign = foreignMounts(readMountinfo(pid), mountPaths, covered)
  // Else the script has to start programs that need it.
  if (
    !nested &&
    [foreign, covered, readOnly].every(({ length }) => length === 0)
  )
    detachProc(pid)
  child.stdin.write(foreign.map(point => `${escaped(point)}\n`).join('') + '\n')
  await Promise.race([expect(setupDone), failed])
  const left = foreign.length === 0 ? [] : leftIn(pid, options.plan)
  if (left.length > 0)
    throw new Error(`cannot detach the mounts ${left.join(', ')}`)
  // Last: everybody waits for the volumes, and nothing is left to do when they are there.
  await Promise.race([options.ready, failed])
  await options.live?.fill()
  verifyReadOnly(readMountinfo(pid), options.plan)
  await verifyIdentity(pid, options.plan.mountPaths)
  return pid
}

/** Those that the script was told of and that are to be seen still. */
function leftIn(
  pid: number,
  { mountPaths, covered, nested }: RootPlan,
): readonly string[] {
  const mounts = readMountinfo(pid)
  const left = foreignAmong(mounts, mountPaths, covered)
  // One that is locked has been covered; or it is root's of the machine, in a directory of root's.
  const isSeen = ({ id, mountpoint }: Mount): boolean =>
    isReachable(pid, mountpoint) &&
    !mounts.some(
      other => other.parentId === id && other.mountpoint === mountpoint,
    )
  return (nested ? left.filter(isSeen) : left).map(
    ({ mountpoint }) => mountpoint,
  )
}

/** Not the mount itself is looked at: nobody may serve it. */
function isReachable(pid: number, point: string): boolean {
  try {
    accessSync(join(`/proc/${pid}/root`, dirname(point)), constants.X_OK)
    return true
  } catch (error) {
    return !hasCode(error, 'EACCES')
  }
}

/** On one line; the script takes it back (printf(1), `%b`). */
function escaped(point: string): string {
  return point.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

/**
 * Hides directories: the plan has put an empty file in the place of each into the overlay's upper
 * layer, and unlinking that leaves a whiteout. Throws when something is seen there afterwards.
 */
function makeAbsent(pid: number, paths: readonly string[]): void {
  for (const path of paths) {
    const inside = `/proc/${pid}/root${path}`
    unlinkSync(inside)
    if (lstatSync(inside, { throwIfNoEntry: false }) !== undefined)
      throw new Error(`cannot hide ${path}`)
  }
}

/**
 * Nothing is mounted there as this process sees it. So the kernel removes the directory, and lazily
 * unmounts what lies on it in the setup's namespace (mount_namespaces(7), Linux 3.18), without two
 * programs that would have to be started there.
 */
function detachScaffold(
  pid: number,
  { hostView: view, fuseOverlay }: RootPlan,
): void {
  const places = [
    oldRoot,
    ...(view === undefined ? [] : [hostView]),
    ...(fuseOverlay === undefined ? [] : [fuseOverlayPlace]),
  ]
  for (const place of [...places, layersPlace, scaffold])
    rmdirSync(`/proc/${pid}/root/${place}`)
}

/** In the same way; its mount point stays. */
function detachProc(pid: number): void {
  const proc = `/proc/${pid}/root/proc`
  rmdirSync(proc)
  mkdirSync(proc, { mode: 0o755 })
}

/** util-linux before 2.27 ignores `ro` next to `bind`: better no container than a wrong one. */
function verifyReadOnly(
  mounts: readonly Mount[],
  { mountPaths, readOnly: ownPlaces }: RootPlan,
): void {
  const readOnly = new Map(
    mounts.map(({ mountpoint, options }) => [
      mountpoint,
      options.includes('ro'),
    ]),
  )
  for (const mountPath of mountPaths)
    if (mountPath.readOnly && readOnly.get(mountPath.path) !== true)
      throw new Error(
        `mountPath ${mountPath.path}: this machine's mount made it writable`,
      )
  // A volume may lie over it.
  const taken = new Set(mountPaths.map(({ path }) => path))
  for (const { path } of ownPlaces)
    if (!taken.has(path) && readOnly.get(path) === false)
      throw new Error(`${path}: this machine's mount left it writable`)
}

/**
 * Between the look at a subPath and its mount, another container may have put a link in a
 * directory's place. What is mounted stays what it is: now it can be compared.
 */
async function verifyIdentity(
  pid: number,
  mountPaths: readonly PlannedMountPath[],
): Promise<void> {
  // Of two at the same place the later one is seen.
  const last = new Map(mountPaths.map(mountPath => [mountPath.path, mountPath]))
  for (const { path, identity } of last.values()) {
    if (identity === undefined) continue
    const found = await stat(`/proc/${pid}/root${path}`, { bigint: true })
    if (fileIdentity(found) !== identity)
      throw new Error(
        `mountPath ${path}: its subPath was replaced while it was mounted`,
      )
  }
}

/**
 * Podfs mounts that came along with the host's directories, and everything below what is about
 * to be covered, as far as a path leads there. In this namespace they would show another
 * Pod's Secrets and keep its volumes from going away. Deepest first.
 */
export function foreignMounts(
  mounts: readonly Mount[],
  mountPaths: readonly PlannedMountPath[],
  covered: readonly string[],
): string[] {
  return foreignAmong(mounts, mountPaths, covered)
    .map(({ mountpoint }) => mountpoint)
    .toReversed()
}

function foreignAmong(
  mounts: readonly Mount[],
  mountPaths: readonly PlannedMountPath[],
  covered: readonly string[],
): Mount[] {
  const own = new Set(mountPaths.map(({ path }) => path))
  return mounts.filter(mount => {
    const { mountpoint } = mount
    const inside = covered.some(directory =>
      mountpoint.startsWith(`${directory}/`),
    )
    return (
      (isPodfsMount(mount) || inside) &&
      !own.has(mountpoint) &&
      !isCovered(mount, mounts)
    )
  })
}

/** As container engines do: a mount point within a volume is made in the volume. */
function makeVolumePoint({ path, kind }: VolumePoint): void {
  mkdirSync(kind === 'directory' ? path : dirname(path), { recursive: true })
  if (kind === 'file') writeFileSync(path, '', { flag: 'a' })
}
