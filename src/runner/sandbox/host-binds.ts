import { join, relative } from 'node:path'
import type { HostView } from '../../linux/host-view.ts'
import { isWithin } from '../../linux/is-within.ts'
import { isCovered, mountOf } from '../../linux/mount-table.ts'
import { isPodfsMount, type Mount } from '../../linux/mountinfo.ts'
import type { FstabEntry } from './fstab.ts'
import type { ReadOnlyPlace } from './planned-root.ts'
import { scaffold } from './root-template.ts'

export interface HostBindsOptions {
  /** Where the root is made. */
  readonly world: string
  /** Directories of the host that are not to be seen, symlinks resolved. */
  readonly hidden: readonly string[]
  /** Device nodes work, wherever they are. */
  readonly devices: boolean
  /** What comes of the host cannot be written. */
  readonly readOnly: boolean
  /**
   * In a user namespace, whose mounts of the host the kernel has locked to one another
   * (mount_namespaces(7)): a directory comes with all that is mounted below it, or not at all.
   */
  readonly nested: boolean
}

/** Binds of what the host has, with its submounts, into a root that is made at `world`. */
export class HostBinds {
  readonly #host: HostView
  readonly #world: string
  readonly #hidden: readonly string[]
  /** Options of all mounts that come of the host. */
  readonly #onHost: readonly string[]
  readonly #nested: boolean
  readonly #isFenced: boolean
  /** What has come along with a bind and is to be read-only, too. */
  readonly readOnlyLater: ReadOnlyPlace[] = []
  /** An option of all mounts of the container. */
  readonly nodev: readonly string[]

  constructor(
    host: HostView,
    { world, hidden, devices, readOnly, nested }: HostBindsOptions,
  ) {
    this.#host = host
    this.#world = world
    this.#hidden = hidden
    this.#onHost = readOnly ? ['ro'] : []
    this.#nested = nested
    this.#isFenced = !devices
    // Nobody makes a device node there, and those of the host are what they are for the user.
    this.nodev = devices || nested ? [] : ['nodev']
  }

  isHidden(path: string): boolean {
    return this.#hidden.some(hidden => isWithin(path, hidden))
  }

  /** Whether the kernel refuses to show a directory without what is mounted below it. */
  hasLocked(path: string): boolean {
    return (
      this.#nested &&
      this.#host.mounts.some(
        ({ mountpoint }) => mountpoint !== path && isWithin(mountpoint, path),
      )
    )
  }

  /**
   * The options of a bind. One that is to be read-only keeps in a user namespace what its source
   * has been mounted with, such as nosuid of /run/user/UID: the kernel takes a flag more only with
   * those that are there (mount_namespaces(7)).
   */
  keeping(source: string, options: readonly string[]): readonly string[] {
    if (!this.#nested || !options.includes('ro')) return options
    const there = mountOf(source, this.#host.mounts)?.options ?? []
    return [...new Set([...options, ...flagsOf(there)])]
  }

  #noteReadOnly(source: string, path: string, below: readonly Mount[]): void {
    const isSeen = (mount: Mount): boolean =>
      !isPodfsMount(mount) &&
      !this.isHidden(mount.mountpoint) &&
      !isCovered(mount, this.#host.mounts) &&
      this.#host.lstat(mount.mountpoint) !== undefined
    for (const mount of below)
      if (!mount.options.includes('ro') && isSeen(mount))
        this.readOnlyLater.push({
          path: join(path, relative(source, mount.mountpoint)),
          options: flagsOf(mount.options),
        })
  }

  /** `hostView`, when it is needed. */
  view(): FstabEntry | undefined {
    const root = mountOf('/', this.#host.mounts)
    if (this.nodev.length === 0 || root === undefined || !hasNodes(root))
      return undefined
    return bind('/', join(this.#world, hostView), [
      'bind',
      'private',
      'X-mount.mkdir',
      ...flagsOf(root.options),
      ...this.nodev,
    ])
  }

  /** The uppermost mounts below a directory; their own submounts come with them. */
  submounts(path: string): string[] {
    const points = this.#host.mounts
      .filter(
        mount =>
          mount.mountpoint !== path &&
          isWithin(mount.mountpoint, path) &&
          !isPodfsMount(mount),
      )
      .map(({ mountpoint }) => mountpoint)
      .filter(point => !this.isHidden(point))
      .filter(point => this.#host.lstat(point) !== undefined)
    return [...new Set(points)].filter(
      point => !points.some(other => point.startsWith(`${other}/`)),
    )
  }

  /**
   * What goes away between the look and the mount, as in /run it may, is no reason not to
   * start: nofail is for the source, X-mount.mkdir for the target, which goes as well.
   */
  hostBind(path: string, ...flags: readonly 'ro'[]): FstabEntry[] {
    const more = ['nofail', 'X-mount.mkdir', ...flags]
    return this.recursiveBind(path, path, more, this.#onHost)
  }

  /**
   * mount(8) sets the flags of a bind as a whole, and of the uppermost mount alone. So where
   * one below it lets device nodes work, or is to have the flags `onEach`, too, each is bound for
   * itself; and never over another one: what is covered cannot be unmounted. The same
   * goes for cgroups, which are read-only: nobody leaves his own.
   */
  recursiveBind(
    source: string,
    path: string,
    more: readonly string[],
    onEach: readonly string[] = [],
  ): FstabEntry[] {
    const target = join(this.#world, path)
    const { mounts } = this.#host
    const mount = mountOf(source, mounts)
    const below = mounts.filter(
      ({ mountpoint }) => mountpoint !== source && isWithin(mountpoint, source),
    )
    const isFenced = this.nodev.length > 0
    const needsFlags = (each: Mount | undefined): boolean =>
      onEach.length > 0 || (isFenced && (hasNodes(each) || isCgroup(each)))
    const flags = [
      ...flagsOf(mount?.options ?? []),
      ...(isFenced && isCgroup(mount) ? ['ro'] : []),
      ...onEach,
      ...this.nodev,
    ]
    if (this.#nested) {
      this.#noteReadOnly(
        source,
        path,
        // Those of v1 are never the user's.
        onEach.length > 0
          ? below
          : below.filter(({ type }) => this.#isFenced && type === 'cgroup2'),
      )
      const options = ['rbind', 'rprivate', ...more, ...onEach]
      return [bind(source, target, this.keeping(source, options))]
    }
    const options = needsFlags(mount) ? [...new Set([...more, ...flags])] : more
    if (
      onEach.length === 0 &&
      below.length === 0 &&
      mount?.mountpoint === '/' &&
      needsFlags(mount)
    )
      return [
        bind(join(this.#world, hostView, source), target, ['bind', ...more]),
      ]
    if (!below.some(needsFlags))
      return [bind(source, target, ['rbind', 'rprivate', ...options])]
    return [
      bind(source, target, ['bind', 'private', ...options]),
      ...this.submounts(source).flatMap(point =>
        this.recursiveBind(
          point,
          join(path, relative(source, point)),
          ['nofail'],
          onEach,
        ),
      ),
    ]
  }
}

/**
 * Below the root while that is made: the host's root file system without its submounts, with
 * no device node that works, and private. So a bind of what is in it needs no further step.
 */
export const hostView = `${scaffold}/host`

function hasNodes(mount: Mount | undefined): boolean {
  return (
    mount === undefined ||
    !(
      mount.options.includes('nodev') ||
      withoutNodes.test(mount.type) ||
      isPodfsMount(mount)
    )
  )
}

function isCgroup(mount: Mount | undefined): boolean {
  return mount !== undefined && /^cgroup2?$/.test(mount.type)
}

/** File systems of the kernel, in which nobody can make a device node, and those of a network. */
const withoutNodes =
  /^(proc|sysfs|cgroup2?|devpts|securityfs|debugfs|tracefs|bpf|pstore|mqueue|configfs|fusectl|binfmt_misc|efivarfs|selinuxfs|rpc_pipefs|nsfs|autofs|nfs4?|cifs|smb3)$/

/** Of the options in mountinfo, those of the mount. */
function flagsOf(options: readonly string[]): string[] {
  return options.filter(option =>
    /^(ro|nosuid|nodev|noexec|noatime|nodiratime|relatime|nosymfollow)$/.test(
      option,
    ),
  )
}

/** A line of fstab(5). */
export function bind(
  source: string,
  target: string,
  options: readonly string[],
): FstabEntry {
  return { source, target, type: 'none', options }
}
