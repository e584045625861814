import { basename, dirname, join, relative } from 'node:path'
import type { ContainerMount } from './container-runtime.ts'
import type { FstabEntry } from './fstab.ts'
import type { FileKind, HostView } from '../../linux/host-view.ts'
import {
  isWithin,
  mountOf,
  podfsType,
  type MountTableEntry,
} from '../../linux/mount-table.ts'
import { resolvePath } from '../../linux/resolve-path.ts'

export interface RootPlan {
  /** Made in this order; modes and owners where they are not 0755 root. */
  readonly directories: readonly PlannedDirectory[]
  /** Empty files, as mount points. */
  readonly files: readonly string[]
  readonly links: readonly PlannedLink[]
  readonly fstab: readonly FstabEntry[]
  /** Of the tmpfs that is the root. */
  readonly rootOptions: readonly string[]
  /** See `hostView`; when it is needed. */
  readonly hostView?: FstabEntry
  /** Mount points within volumes: made in the volume, from the host. */
  readonly volumePoints: readonly VolumePoint[]
  /** Where the container's volumes are, symlinks resolved. */
  readonly mountPaths: readonly PlannedMountPath[]
  /**
   * Of what is hidden: an empty file in an upper layer, to be unlinked through the overlay. The
   * kernel then notes there that the directory below is gone, whatever is unmounted later.
   */
  readonly absent: readonly string[]
  /** Of what is hidden, as far as it comes with a directory of the host: to be covered. */
  readonly covered: readonly string[]
  /** Not in the fstab: mounted on the host, see live-mounts.ts. */
  readonly livePlaces: readonly LivePlace[]
}

/** A place on the host whose mounts the container sees. */
export interface LivePlace {
  readonly place: string
  readonly kind: 'directory' | 'file'
  /** A volume, and those that lie within it. */
  readonly mounts: readonly LiveMount[]
}

export interface LiveMount extends FstabEntry {
  readonly locate?: () => Promise<string>
}

export interface PlannedDirectory {
  readonly path: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
}

export interface PlannedLink {
  readonly path: string
  readonly target: string
}

export interface VolumePoint {
  readonly path: string
  readonly kind: 'directory' | 'file'
}

export interface PlannedMountPath {
  readonly path: string
  readonly readOnly: boolean
  readonly identity?: string
}

export interface RootTreeOptions {
  readonly world: string
  /** System directories can be overlays. */
  readonly overlays: boolean
  /** A directory on the host whose mounts are propagated: see live-mounts.ts. */
  readonly liveDirectory?: string
  /** Directories of the host that are not to be seen, symlinks resolved. */
  readonly hidden: readonly string[]
  /** Device nodes work, wherever they are. */
  readonly devices: boolean
}

/** What lies at a path of the container and below it, up to the next place. */
interface Place {
  readonly at: string
  /** Where its files are on the host; absent: it has what is made here, and nothing else. */
  readonly source?: string
  /** What is made here is made there, before anything is mounted. */
  readonly upper?: string
  /** A volume: what is made here is made in the volume. */
  readonly volume: boolean
}

/**
 * The container's root while it is planned: places, and what must be made for them.
 * Paths that come in are the container's.
 */
export class RootTree {
  readonly #host: HostView
  readonly #world: string
  readonly #overlays: boolean
  readonly #hidden: readonly string[]
  readonly #nodev: readonly string[]
  /** Each with its own mounts, the place's first. */
  readonly #places = new Map<string, Place>()
  readonly #layerMounts = new Map<string, FstabEntry[]>()
  readonly #volumeMounts: FstabEntry[] = []
  readonly #directories: PlannedDirectory[] = []
  readonly #files: string[] = []
  readonly #links: PlannedLink[] = []
  readonly #volumePoints: VolumePoint[] = []
  readonly #mountPaths: PlannedMountPath[] = []
  readonly #liveDirectory: string | undefined
  readonly #live: (Omit<LivePlace, 'mounts'> & {
    readonly path: string
    readonly mounts: LiveMount[]
  })[] = []
  /** What the plan makes, by the container's path. */
  readonly #made = new Map<string, FileKind>()
  readonly #covered: string[] = []
  #layers = 0

  constructor(host: HostView, options: RootTreeOptions) {
    const { world, overlays, liveDirectory, hidden, devices } = options
    this.#host = host
    this.#liveDirectory = liveDirectory
    this.#world = world
    this.#overlays = overlays
    this.#hidden = hidden
    this.#nodev = devices ? [] : ['nodev']
    this.#places.set('/', { at: '/', source: '/', upper: world, volume: false })
    // For the mount programs; detached at the end, when the PID namespace brings its own.
    this.#directories.push({ path: join(world, 'proc') })
    this.#layerMounts.set('/proc', [
      bind('/proc', join(world, 'proc'), ['bind', 'private']),
    ])
  }

  resolve(path: string): string {
    return resolvePath(path, {
      lstat: path => this.#lstat(path),
      readlink: path => this.#host.readlink(this.#onHost(path) ?? path),
    })
  }

  exists(path: string): boolean {
    return this.#lstat(path) !== undefined
  }

  copyLink(path: string): void {
    this.#links.push({
      path: this.#inUpper(path),
      target: this.#host.readlink(path),
    })
  }

  /** The host's file or directory at its own path, submounts included. */
  bindHost(path: string): void {
    if (this.#isHidden(path)) return
    if (this.#placeOf(dirname(path)).upper !== undefined)
      this.#makePoint(path, this.#host.lstat(path)?.kind)
    this.#addMounts(path, this.#hostBind(path))
    this.#places.set(path, { at: path, source: path, volume: false })
  }

  /** A directory of which the container has nothing but what is made in it now. */
  makeOwnDirectory(path: string): void {
    this.#directories.push({ path: join(this.#world, path) })
    const upper = join(this.#world, path)
    this.#places.set(path, { at: path, upper, volume: false })
    this.#made.set(path, 'directory')
  }

  /** A device node of the host that works, in a directory of the container's own. */
  bindDevice(path: string): void {
    this.#makePoint(path, 'other')
    this.#made.set(path, 'other')
    this.#addMounts(path, [bind(path, join(this.#world, path), ['bind'])])
  }

  /** A file system of the container's own, in a directory of its own. */
  mountOwn(path: string, type: string, options: readonly string[]): void {
    this.makeOwnDirectory(path)
    const target = join(this.#world, path)
    this.#addMounts(path, [{ source: 'podfs', target, type, options }])
  }

  makeLink(path: string, target: string): void {
    this.#links.push({ path: this.#inUpper(path), target })
    this.#made.set(path, 'symlink')
  }

  /** Copy-on-write all the way down. An overlay does not show submounts: they come back in. */
  addDeepLayer(path: string): void {
    const points = this.#submounts(path)
    this.#addLayer(path, points)
    for (const point of points)
      this.#places.set(point, { at: point, source: point, volume: false })
  }

  /**
   * Only the directory's own regular files and links are private; its directories, and
   * sockets, FIFOs and devices, which do not work through an overlay, are the host's.
   */
  addShallowLayer(path: string): void {
    const mounted = new Set(this.#host.mounts.map(mount => mount.point))
    const children = this.#host
      .readdir(path)
      .map(name => join(path, name))
      .filter(child => {
        if (this.#isHidden(child)) return false
        const kind = this.#host.lstat(child)?.kind
        if (kind === 'directory' || kind === 'other') return true
        return kind === 'file' && (!this.#layered(path) || mounted.has(child))
      })
    this.#addLayer(path, children)
    for (const child of children)
      if (!this.#places.has(child))
        this.#places.set(child, { at: child, source: child, volume: false })
  }

  replaceByLink(path: string, target: string): void {
    const parent = this.resolve(dirname(path))
    // Where the host itself or a volume is, nothing private can hold the link.
    if (this.#placeOf(parent).upper === undefined) return
    this.#makeParents(parent)
    this.#links.push({
      path: this.#inUpper(join(parent, basename(path))),
      target,
    })
  }

  mountVolume(mount: ContainerMount): void {
    // Not looked at: a look at a mount that nobody serves yet would wait.
    const source = mount.isDirectory
      ? mount.source
      : resolvePath(mount.source, this.#host)
    const found = mount.isDirectory
      ? 'directory'
      : this.#host.lstat(source)?.kind
    if (found === undefined)
      throw new Error(
        `mountPath ${mount.mountPath}: ${mount.source} does not exist`,
      )
    const wanted = found === 'directory' ? 'directory' : 'file'
    const path = this.resolve(mount.mountPath)
    if (path === '/' || isWithin(path, '/proc') || this.#isHidden(path))
      throw new Error(
        `mountPath ${mount.mountPath}: nothing can be mounted at ${path}`,
      )
    if (mount.recursive) this.#hideWithin(source, path, mount)
    const present = this.#lstat(path)?.kind
    if (present === undefined) this.#make(path, wanted)
    else if ((present === 'directory') !== (found === 'directory'))
      throw new Error(
        `mountPath ${mount.mountPath}: is a ${present} in the container, but the volume has a ${wanted}`,
      )
    this.#mountVolumeAt(path, source, wanted, mount)
    this.#places.set(path, { at: path, source, volume: true })
    const { readOnly, identity } = mount
    this.#mountPaths.push({ path, readOnly, ...(identity && { identity }) })
  }

  #mountVolumeAt(
    path: string,
    source: string,
    kind: 'directory' | 'file',
    { recursive, readOnly, locate }: ContainerMount,
  ): void {
    const options = [
      recursive ? 'rbind' : 'bind',
      ...(readOnly ? ['ro'] : []),
      ...this.#nodev,
    ]
    const target = join(this.#world, path)
    const around = this.#live.find(live => path.startsWith(`${live.path}/`))
    if (around !== undefined) {
      const within = join(around.place, path.slice(around.path.length))
      around.mounts.push({
        ...bind(source, within, options),
        ...(locate === undefined ? {} : { locate }),
      })
    } else if (locate !== undefined && this.#liveDirectory !== undefined) {
      const place = join(this.#liveDirectory, String(this.#live.length))
      const mounts = [{ ...bind(source, place, options), locate }]
      this.#live.push({ path, place, kind, mounts })
      // Not private: here appears what is mounted at the place.
      this.#volumeMounts.push(bind(place, target, ['bind', ...this.#nodev]))
    } else if (recursive) {
      this.#volumeMounts.push(
        ...this.#recursiveBind(source, path, readOnly ? ['ro'] : []),
      )
    } else {
      this.#volumeMounts.push(bind(source, target, [...options, 'private']))
    }
  }

  /** A hostPath that leads to what is hidden, or to a directory that has it. */
  #hideWithin(
    source: string,
    path: string,
    { mountPath }: ContainerMount,
  ): void {
    for (const hidden of this.#hidden) {
      if (isWithin(source, hidden))
        throw new Error(
          `mountPath ${mountPath}: ${source} is podfs's own, and no container's`,
        )
      if (isWithin(hidden, source) && this.#host.lstat(hidden) !== undefined)
        this.#covered.push(join(path, relative(source, hidden)))
    }
  }

  makeWorkingDirectory(workingDir: string): void {
    const path = this.resolve(workingDir)
    const present = this.#lstat(path)?.kind
    if (this.#isHidden(path))
      throw new Error(`workingDir ${workingDir}: ${path} is podfs's own`)
    if (present === undefined) this.#make(path, 'directory')
    else if (present !== 'directory')
      throw new Error(`workingDir ${workingDir}: not a directory`)
  }

  finish(): RootPlan {
    const absent = this.#hide()
    // A layer that was found necessary late may lie above an earlier one.
    const layers = [...this.#layerMounts].sort(
      ([a], [b]) => a.split('/').length - b.split('/').length,
    )
    const root = mountOf('/', this.#host.mounts)
    const view = bind('/', join(this.#world, hostView), [
      'bind',
      'private',
      'X-mount.mkdir',
      ...flagsOf(root?.options ?? []),
      ...this.#nodev,
    ])
    return {
      ...(this.#nodev.length > 0 && root && hasNodes(root)
        ? { hostView: view }
        : {}),
      directories: this.#directories,
      files: this.#files,
      links: this.#links,
      fstab: [...layers.flatMap(([, mounts]) => mounts), ...this.#volumeMounts],
      volumePoints: this.#volumePoints,
      mountPaths: this.#mountPaths,
      rootOptions: this.#nodev,
      absent,
      covered: this.#covered,
      livePlaces: this.#live.map(({ place, kind, mounts }) => ({
        place,
        kind,
        mounts,
      })),
    }
  }

  /** Last: a layer that a mountPath has brought can hold what would have to be covered. */
  #hide(): string[] {
    const absent: string[] = []
    for (const path of this.#hidden) {
      if (this.#host.lstat(path) === undefined) continue
      const place = this.#placeOf(dirname(path))
      // A volume lies there.
      if (place.volume || place.source === undefined) continue
      if (place.upper === undefined) {
        this.#covered.push(path)
        continue
      }
      this.#makeParents(dirname(path))
      this.#files.push(this.#inUpper(path))
      absent.push(path)
    }
    return absent
  }

  #isHidden(path: string): boolean {
    return this.#hidden.some(hidden => isWithin(path, hidden))
  }

  /** Makes a directory or an empty file, and the directories above it. */
  #make(path: string, kind: 'directory' | 'file'): void {
    const parent = dirname(path)
    const above = this.#lstat(parent)?.kind
    if (above === undefined) this.#make(parent, 'directory')
    else if (above !== 'directory')
      throw new Error(`${parent}: not a directory`)
    const place = this.#placeOf(parent)
    if (place.volume) {
      this.#volumePoints.push({ path: this.#onHost(path) ?? path, kind })
    } else {
      if (place.upper === undefined) this.addShallowLayer(parent)
      this.#makeParents(parent)
      this.#makePoint(path, kind)
    }
    this.#made.set(path, kind)
  }

  /** A directory that the upper layer also has shows the upper's mode and owner. */
  #makeParents(path: string): void {
    const place = this.#placeOf(path)
    if (path === place.at || this.#made.has(path)) return
    this.#makeParents(dirname(path))
    this.#copyDirectory(this.#inUpper(path), path)
  }

  #makePoint(path: string, kind = this.#lstat(path)?.kind): void {
    if (kind === 'directory')
      this.#directories.push({ path: this.#inUpper(path) })
    else this.#files.push(this.#inUpper(path))
  }

  #copyDirectory(path: string, like: string): void {
    const { mode, uid, gid } = this.#host.lstat(like) ?? {
      mode: 0o755,
      uid: 0,
      gid: 0,
    }
    this.#directories.push({
      path,
      ...(mode === 0o755 ? {} : { mode }),
      ...(uid === 0 && gid === 0 ? {} : { uid, gid }),
    })
  }

  #addLayer(path: string, comeBack: readonly string[]): void {
    this.#layers += 1
    const directory = join(this.#world, '.podfs/layers', String(this.#layers))
    const upper = join(directory, 'upper')
    this.#copyDirectory(upper, path)
    if (dirname(path) === '/')
      this.#directories.push({ path: join(this.#world, path) })
    this.#places.set(path, { at: path, source: path, upper, volume: false })
    const mounts: FstabEntry[] = []
    if (this.#layered(path)) {
      const work = join(directory, 'work')
      this.#directories.push({ path: work })
      mounts.push({
        source: 'podfs',
        target: join(this.#world, path),
        type: 'overlay',
        options: [
          `lowerdir=${path}`,
          `upperdir=${upper}`,
          `workdir=${work}`,
          ...this.#nodev,
        ],
      })
    } else {
      mounts.push(
        bind(upper, join(this.#world, path), ['bind', ...this.#nodev]),
      )
      for (const name of this.#host.readdir(path)) {
        const child = join(path, name)
        if (this.#host.lstat(child)?.kind === 'symlink') this.copyLink(child)
      }
      for (const child of comeBack) this.#makePoint(child)
    }
    mounts.push(...comeBack.flatMap(child => this.#hostBind(child)))
    // It replaces the plain bind of the same directory, when there was one.
    this.#layerMounts.set(path, mounts)
  }

  /** An overlay's options cannot hold these characters in a way that all versions read. */
  #layered(path: string): boolean {
    return this.#overlays && !/[,:\\]/.test(join(this.#world, path))
  }

  /** The uppermost mounts below a directory; their own submounts come with them. */
  #submounts(path: string): string[] {
    const points = this.#host.mounts
      .filter(
        ({ point, type }) => point.startsWith(`${path}/`) && type !== podfsType,
      )
      .map(({ point }) => point)
      .filter(point => !this.#isHidden(point))
      .filter(point => this.#host.lstat(point) !== undefined)
    return [...new Set(points)].filter(
      point => !points.some(other => point.startsWith(`${other}/`)),
    )
  }

  /**
   * What goes away between the look and the mount, as in /run it may, is no reason not to
   * start: nofail is for the source, X-mount.mkdir for the target, which goes as well.
   */
  #hostBind(path: string): FstabEntry[] {
    return this.#recursiveBind(path, path, ['nofail', 'X-mount.mkdir'])
  }

  /**
   * mount(8) sets the flags of a bind as a whole, and of the uppermost mount alone. So where
   * one below it lets device nodes work, each is bound for itself; and never over another one:
   * what is covered cannot be unmounted.
   */
  #recursiveBind(
    source: string,
    path: string,
    more: readonly string[],
  ): FstabEntry[] {
    const target = join(this.#world, path)
    if (this.#nodev.length === 0)
      return [bind(source, target, ['rbind', 'rprivate', ...more])]
    const { mounts } = this.#host
    const mount = mountOf(source, mounts)
    const below = mounts.filter(
      ({ point }) => point !== source && isWithin(point, source),
    )
    const flags = flagsOf(mount?.options ?? [])
    const options = hasNodes(mount) ? [...more, ...flags, ...this.#nodev] : more
    if (below.length === 0 && mount?.point === '/' && hasNodes(mount))
      return [
        bind(join(this.#world, hostView, source), target, ['bind', ...more]),
      ]
    if (!below.some(hasNodes))
      return [bind(source, target, ['rbind', 'rprivate', ...options])]
    return [
      bind(source, target, ['bind', 'private', ...options]),
      ...this.#submounts(source).flatMap(point =>
        this.#recursiveBind(point, join(path, relative(source, point)), [
          'nofail',
        ]),
      ),
    ]
  }

  #addMounts(path: string, mounts: readonly FstabEntry[]): void {
    this.#layerMounts.set(path, [
      ...(this.#layerMounts.get(path) ?? []),
      ...mounts,
    ])
  }

  #lstat(path: string): { readonly kind: FileKind } | undefined {
    const kind = this.#made.get(path)
    if (kind !== undefined) return { kind }
    const onHost = this.#onHost(path)
    return onHost === undefined ? undefined : this.#host.lstat(onHost)
  }

  /** Undefined where nothing of the host is. */
  #onHost(path: string): string | undefined {
    const { source, at } = this.#placeOf(path)
    return source === undefined
      ? undefined
      : join(source, path.slice(at.length))
  }

  /** Where something at this path would be made; only for places with a layer. */
  #inUpper(path: string): string {
    const place = this.#placeOf(dirname(path))
    return join(place.upper ?? this.#world, path.slice(place.at.length))
  }

  #placeOf(path: string): Place {
    for (let at = path; ; at = dirname(at)) {
      const place = this.#places.get(at)
      if (place) return place
    }
  }
}

/**
 * Below the root while that is made: the host's root file system without its submounts, with
 * no device node that works, and private. So a bind of what is in it needs no further step.
 */
export const hostView = '.podfs/host'

function hasNodes(mount: MountTableEntry | undefined): boolean {
  return (
    mount === undefined ||
    !(mount.options.includes('nodev') || withoutNodes.test(mount.type))
  )
}

/** File systems of the kernel, in which nobody can make a device node, and those of a network. */
const withoutNodes =
  /^(proc|sysfs|cgroup2?|devpts|securityfs|debugfs|tracefs|bpf|pstore|mqueue|configfs|fusectl|binfmt_misc|efivarfs|selinuxfs|rpc_pipefs|nsfs|autofs|nfs4?|cifs|smb3|fuse\.podfs)$/

/** Of the options in mountinfo, those of the mount. */
function flagsOf(options: readonly string[]): string[] {
  return options.filter(option =>
    /^(ro|nosuid|noexec|noatime|nodiratime|relatime|nosymfollow)$/.test(option),
  )
}

function bind(
  source: string,
  target: string,
  options: readonly string[],
): FstabEntry {
  return { source, target, type: 'none', options }
}
