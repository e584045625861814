import { dirname, join } from 'node:path'
import type { ContainerMount } from './container-runtime.ts'
import type { HostView } from '../../linux/host-view.ts'
import { isWithin } from '../../linux/is-within.ts'
import { aliasesOf } from '../../linux/mount-table.ts'
import { sysMasks } from './kernel-masks.ts'
import type { RootPlan } from './planned-root.ts'
import { resolvePath } from '../../linux/resolve-path.ts'
import { RootTree } from './root-tree.ts'
import { mountedFuseOverlay } from './fuse-overlay.ts'

/*
 * How a container's root is made: a pure function from what the host has and what the
 * container wants to a list of directories, files, links and mounts.
 *
 *   WORLD                a tmpfs, the container's `/` (unbindable, see root-tree.ts)
 *   WORLD/.podfs/layers  a tmpfs inside it: upper and work directories of the overlays
 *   WORLD/.podfs/files   an ordinary user's: the host's root by fuse-overlayfs, where it is used
 *   WORLD/.podfs/old     where pivot_root puts the host's root
 *   WORLD/usr, /etc ..   overlays over the host's: what the container writes there is its own
 *   WORLD/run            an overlay of one level: files are its own, sockets and directories
 *                        the host's
 *   WORLD/dev            the usual nodes, the host's; all of it for a privileged container
 *   WORLD/sys            the kernel's, read-only, with the host's cgroups
 *   WORLD/home, /srv ..  the host's, by rbind, as far as it is to be shared
 *   WORLD/tmp            the container's own, and others that are not shared
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
/** runc's setupDevSymlinks (libcontainer/rootfs_linux.go). */
const deviceLinks: Readonly<Record<string, string>> = {
  fd: '/proc/self/fd',
  stdin: '/proc/self/fd/0',
  stdout: '/proc/self/fd/1',
  stderr: '/proc/self/fd/2',
  ptmx: 'pts/ptmx',
}

/** Among `hostDirectories`: all at the top, but /tmp and those that are never the host's own. */
const everyDirectory = '/*'

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
  /** Nothing can be written but volumes and /dev. */
  readonly readOnly: boolean
  /** All of /proc and /sys is seen. */
  readonly unmasked: boolean
  /**
   * The IPC namespace in which the root is made is not the machine's, and this directory on the
   * host is the /dev/shm of those who are in it.
   */
  readonly sharedMemory?: string
  /** Nor is the network namespace the machine's. */
  readonly ownNetwork: boolean
  /** Directories of the host that are the container's, too, or all of them (`/*`). */
  readonly hostDirectories: readonly string[]
  /** Files and directories of the host that are to be seen where they are, if they are there. */
  readonly visible: readonly string[]
  /** A directory on the host whose mounts are propagated: see live-mounts.ts. */
  readonly liveDirectory?: string
  readonly nested?: NestedOptions
}

/** What is different where podfs is root of a user namespace alone. */
export interface NestedOptions {
  /** On the host: see host-skeleton.ts; absent where the host is seen as it is. */
  readonly skeleton?: string
  /** The namespace has the group of terminals. */
  readonly hasTerminalGroup: boolean
  /** There is to be one: see fuse-overlay.ts. */
  readonly hasFuseOverlay?: boolean
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
  const { world, hostRoot, liveDirectory, privileged, nested } = options
  const fuseOverlay =
    nested?.hasFuseOverlay === true ? mountedFuseOverlay(world) : undefined
  const tree = new RootTree(host, {
    world,
    overlays: !hostRoot,
    hidden: withAliases(options.hidden, host),
    devices: privileged,
    readOnly: options.readOnly,
    nested: nested !== undefined,
    ...(nested?.skeleton !== undefined && { skeleton: nested.skeleton }),
    ...(fuseOverlay && { fuseOverlay: fuseOverlay.target }),
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
  return { ...tree.finish(), ...(fuseOverlay && { fuseOverlay }) }
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
    if (name === 'dev') planDevices(tree, host, options)
    else if (name === 'sys') planSys(tree, host, options)
    else if (kind === 'symlink') tree.copyLink(path)
    else if (kind !== 'directory' || options.hostRoot) tree.bindHost(path)
    else if (systemDirectories.test(name)) tree.addDeepLayer(path)
    else if (isShared(path, options)) tree.bindHost(path)
    else tree.makeOwnDirectory(path)
  }
  if (options.hostRoot) return
  for (const name of shallowDirectories) {
    const path = join('/', name)
    if (isShared(path, options) && host.lstat(path)?.kind === 'directory')
      tree.addShallowLayer(path)
  }
  for (const path of options.hostDirectories)
    if (path !== everyDirectory) share(tree, host, path)
  for (const path of options.visible) showHost(tree, host, path)
}

function isShared(path: string, { hostDirectories }: RootPlanOptions): boolean {
  return (
    hostDirectories.includes(path) ||
    (path !== '/tmp' && hostDirectories.includes(everyDirectory))
  )
}

/**
 * Of a file its directory, because a program has its libraries and data beside it; but not one that
 * the container has for itself, such as /tmp.
 */
function showHost(tree: RootTree, host: HostView, path: string): void {
  if (tree.exists(path)) return
  const parent = dirname(path)
  const isDirectory = host.lstat(resolvePath(path, host))?.kind === 'directory'
  share(tree, host, isDirectory || tree.exists(parent) ? path : parent)
}

/** What is away is not missed: it may be of another machine, or not be made yet. */
function share(tree: RootTree, host: HostView, path: string): void {
  const real = resolvePath(path, host)
  if (real !== '/' && host.lstat(real) !== undefined) tree.shareHost(real)
}

/** tty: devpts(5). */
export const terminalGroup = 5

function planDevices(
  tree: RootTree,
  host: HostView,
  { privileged, sharedMemory, nested }: RootPlanOptions,
): void {
  if (privileged) tree.bindHost('/dev')
  else {
    tree.mountOwnDirectory('/dev')
    for (const name of host.readdir('/dev'))
      if (deviceNodes.has(name)) tree.bindDevice(join('/dev', name))
    for (const [name, target] of Object.entries(deviceLinks))
      tree.makeLink(join('/dev', name), target)
  }
  // A privileged container has the host's directories; nothing can be made there.
  const canHave = (path: string): boolean =>
    !privileged || host.lstat(path)?.kind === 'directory'
  const options = ['nosuid', 'nodev', 'noexec']
  if (sharedMemory === undefined) {
    for (const path of ['/dev/shm', '/dev/mqueue'])
      if (!privileged && host.lstat(path)?.kind === 'directory')
        tree.bindHost(path)
  } else {
    if (canHave('/dev/shm'))
      tree.mountInstead(
        '/dev/shm',
        { source: sharedMemory, type: 'none', options: ['bind', 'private'] },
        { source: sharedMemory, volume: true },
      )
    if (canHave('/dev/mqueue'))
      tree.mountInstead('/dev/mqueue', {
        source: 'podfs',
        type: 'mqueue',
        options,
      })
  }
  // Of its own: the host's has the terminals of its users.
  if (canHave('/dev/pts'))
    tree.mountInstead('/dev/pts', {
      source: 'podfs',
      type: 'devpts',
      options: [
        'newinstance',
        'ptmxmode=0666',
        'mode=0620',
        ...(nested?.hasTerminalGroup === false ? [] : [`gid=${terminalGroup}`]),
        'nosuid',
        'noexec',
      ],
    })
}

/**
 * As a container run-time mounts it, with the interfaces of the network namespace that the root is
 * made in. A privileged container has all that the host has there.
 */
function planSys(
  tree: RootTree,
  host: HostView,
  { privileged, unmasked, ownNetwork, world, nested }: RootPlanOptions,
): void {
  if (privileged && !ownNetwork) {
    tree.bindHost('/sys')
    return
  }
  // Only who owns the network namespace may mount it anew.
  if (nested !== undefined && !ownNetwork) {
    tree.bindHost('/sys', 'ro')
    if (!unmasked) tree.mountWithin('/sys', sysMasks(host, world))
    return
  }
  tree.mountInstead(
    '/sys',
    {
      source: 'podfs',
      type: 'sysfs',
      options: [...(privileged ? [] : ['ro']), 'nosuid', 'nodev', 'noexec'],
    },
    { source: '/sys', volume: false },
  )
  if (privileged) {
    tree.bindSubmounts('/sys')
    return
  }
  tree.bindReadOnly('/sys/fs/cgroup')
  if (!unmasked) tree.mountWithin('/sys', sysMasks(host, world))
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
