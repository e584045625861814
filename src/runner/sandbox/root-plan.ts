import { join } from 'node:path'
import type { ContainerMount } from './container-runtime.ts'
import type { HostView } from '../../linux/host-view.ts'
import { isWithin } from '../../linux/is-within.ts'
import { aliasesOf } from '../../linux/mount-table.ts'
import type { RootPlan } from './planned-root.ts'
import { RootTree } from './root-tree.ts'

/*
 * How a container's root is made: a pure function from what the host has and what the
 * container wants to a list of directories, files, links and mounts.
 *
 *   WORLD                a tmpfs, the container's `/` (unbindable, see root-tree.ts)
 *   WORLD/.podfs/layers  a tmpfs inside it: upper and work directories of the overlays
 *   WORLD/.podfs/old     where pivot_root puts the host's root
 *   WORLD/usr, /etc ..   overlays over the host's: what the container writes there is its own
 *   WORLD/run            an overlay of one level: files are its own, sockets and directories
 *                        the host's
 *   WORLD/dev            the usual nodes, the host's; all of it for a privileged container
 *   WORLD/home, /tmp ..  the host's, by rbind
 *
 * Both tmpfs are detached or become `/`; the overlays keep their layers alive, and all of it
 * goes with the last process.
 *
 * Nothing is made on the host. A mount point that does not exist is made in the nearest
 * layer; where the host's own directory lies there, that directory first gets an overlay of
 * one level. Only within a volume is it made in the volume itself, as container engines do.
 */

/** The host's, copy-on-write, as deep as they go; those that are directories. */
const systemDirectories = /^(usr|etc|var|opt|boot|bin|sbin|lib\w*)$/

/**
 * What every container has of /dev (containerd's defaultUnixSpec and its device cgroup). Other
 * nodes would be disks of the machine, with all that is hidden, and no cgroup keeps a container
 * from them here: so its mounts are nodev, too, and what it makes with mknod(2) does not open.
 */
const deviceNodes: ReadonlySet<string> = new Set([
  'null',
  'zero',
  'full',
  'random',
  'urandom',
  'tty',
])
const deviceDirectories: ReadonlySet<string> = new Set([
  'shm',
  'mqueue',
  'hugepages',
])

/**
 * A private first level only. A program that is PID 1 here writes `1` into /run/NAME.pid, and
 * a host's `NAME -s stop` would then signal the host's init.
 */
const shallowDirectories: ReadonlySet<string> = new Set(['run'])

export interface RootPlanOptions {
  /** An empty directory on the host, where the root is put together. */
  readonly world: string
  readonly mounts: readonly ContainerMount[]
  readonly workingDir: string
  /** Bound at /etc/hosts, unless a volume is there. */
  readonly hostsFile?: string
  /** Bound at /etc/resolv.conf, unless a volume is there. */
  readonly resolvConf?: string
  /** Bound at /etc/hostname, unless a volume is there. */
  readonly hostnameFile?: string
  /** The host as it is: no overlays. */
  readonly hostRoot: boolean
  readonly busybox?: BusyboxMounts
  /** In no container's tree: podfs's own directories, symlinks resolved. */
  readonly hidden: readonly string[]
  /** With the devices of the host. */
  readonly privileged: boolean
  /** The IPC namespace in which the root is made is not the machine's. */
  readonly ownIpc: boolean
  /** Nor is the network namespace: /sys has the interfaces of the one that it is mounted in. */
  readonly ownNetwork: boolean
  /** A directory on the host whose mounts are propagated: see live-mounts.ts. */
  readonly liveDirectory?: string
}

export interface BusyboxMounts {
  /** The program, on the host. */
  readonly program: string
  /** A directory on the host with a link for each applet. */
  readonly applets: string
}

/** Where the applets are in the container. */
export const appletsDirectory = '/usr/lib/podfs/applets'

/** Throws an Error whose message names the mountPath. */
export function planRoot(host: HostView, options: RootPlanOptions): RootPlan {
  const { world, hostRoot, liveDirectory, privileged } = options
  const tree = new RootTree(host, {
    world,
    overlays: !hostRoot,
    hidden: withAliases(options.hidden, host),
    devices: privileged,
    ...(liveDirectory === undefined ? {} : { liveDirectory }),
  })
  planHostEntries(tree, host, options)
  if (options.busybox) planBusybox(tree, options.busybox)
  const mounts = sortedByDepth(tree, options.mounts)
  for (const [mountPath, source] of [
    ['/etc/hosts', options.hostsFile],
    ['/etc/hostname', options.hostnameFile],
    ['/etc/resolv.conf', options.resolvConf],
  ] as const)
    planOwnFile(tree, mountPath, source, mounts, options.hostRoot)
  for (const mount of mounts) tree.mountVolume(mount)
  tree.makeWorkingDirectory(options.workingDir)
  return tree.finish()
}

function planHostEntries(
  tree: RootTree,
  host: HostView,
  options: RootPlanOptions,
): void {
  for (const name of host.readdir('/')) {
    const path = join('/', name)
    const kind = host.lstat(path)?.kind
    if (kind === undefined || name === 'proc') continue
    if (name === 'dev' && !options.privileged) {
      planDevices(tree, host, options)
      continue
    }
    if (name === 'sys' && kind === 'directory' && options.ownNetwork) {
      tree.replaceByOwn(path, 'sysfs', ['nosuid', 'nodev', 'noexec'])
      continue
    }
    if (kind === 'symlink') tree.copyLink(path)
    else if (kind !== 'directory' || options.hostRoot) tree.bindHost(path)
    else if (systemDirectories.test(name)) tree.addDeepLayer(path)
    else tree.bindHost(path)
  }
  for (const name of options.hostRoot ? [] : shallowDirectories)
    if (host.lstat(join('/', name))?.kind === 'directory')
      tree.addShallowLayer(join('/', name))
}

function planDevices(
  tree: RootTree,
  host: HostView,
  { ownIpc }: RootPlanOptions,
): void {
  tree.makeOwnDirectory('/dev')
  for (const name of host.readdir('/dev')) {
    const path = join('/dev', name)
    const kind = host.lstat(path)?.kind
    // Some machines have it as a link, too: it is made below.
    if (name === 'ptmx') continue
    if (kind === 'symlink') tree.makeLink(path, host.readlink(path))
    else if (deviceNodes.has(name)) tree.bindDevice(path)
    else if (name === 'mqueue' && kind === 'directory' && ownIpc)
      tree.mountOwn(path, 'mqueue', ['nosuid', 'nodev', 'noexec'])
    else if (deviceDirectories.has(name) && kind === 'directory')
      tree.bindHost(path)
  }
  // Of its own: the host's has the terminals of its users.
  tree.mountOwn('/dev/pts', 'devpts', [
    'newinstance',
    'ptmxmode=0666',
    'mode=0620',
    'gid=5',
    'nosuid',
    'noexec',
  ])
  tree.makeLink('/dev/ptmx', 'pts/ptmx')
}

/** Outermost ones, wherever the host has them. */
function withAliases(hidden: readonly string[], host: HostView): string[] {
  const all = new Set(
    hidden.flatMap(path => [path, ...aliasesOf(path, host.mounts)]),
  )
  return [...all].filter(
    path => ![...all].some(other => other !== path && isWithin(path, other)),
  )
}

/** A program of a busybox image finds busybox's applets first, and busybox as /bin/sh. */
function planBusybox(tree: RootTree, busybox: BusyboxMounts): void {
  tree.mountVolume({
    source: busybox.applets,
    mountPath: appletsDirectory,
    readOnly: true,
    recursive: false,
  })
  tree.replaceByLink('/bin/sh', busybox.program)
}

/**
 * /etc/hosts and the like: a volume at the same place wins, as in the kubelet, and so
 * does a volume at /etc.
 */
function planOwnFile(
  tree: RootTree,
  mountPath: string,
  source: string | undefined,
  mounts: readonly ContainerMount[],
  hostRoot: boolean,
): void {
  if (source === undefined) return
  const path = tree.resolve(mountPath)
  const taken = mounts.some(mount => {
    return isWithin(path, tree.resolve(mount.mountPath))
  })
  if (taken) return
  // Without layers a missing file would cost a mirror of all /etc.
  if (hostRoot && !tree.exists(path)) return
  tree.mountVolume({ source, mountPath, readOnly: false, recursive: false })
}

/** Parents first, so that a volume within a volume is not covered by it. */
function sortedByDepth(
  tree: RootTree,
  mounts: readonly ContainerMount[],
): ContainerMount[] {
  const depth = (mount: ContainerMount): number =>
    tree.resolve(mount.mountPath).split('/').length
  return mounts.toSorted((a, b) => depth(a) - depth(b))
}
