import { basename, dirname, join, relative } from 'node:path'
import type { FileKind, HostEntry, HostView } from '../../linux/host-view.ts'
import { isWithin } from '../../linux/is-within.ts'
import { isPodfsMount } from '../../linux/mountinfo.ts'
import { resolvePath } from '../../linux/resolve-path.ts'
import { overflowId } from '../../linux/user-namespace.ts'
import type { ContainerMount } from './container-runtime.ts'
import type { FstabEntry } from './fstab.ts'
import { bind, HostBinds, type HostBindsOptions } from './host-binds.ts'
import type {
  LiveMount,
  LivePlace,
  PlannedDirectory,
  PlannedLink,
  PlannedMountPath,
  ReadOnlyPlace,
  RootPlan,
  VolumePoint,
} from './planned-root.ts'
import { layersPlace } from './root-template.ts'

export interface RootTreeOptions extends HostBindsOptions {
  /** System directories can be overlays. */
  readonly overlays: boolean
  /** A directory on the host whose mounts are propagated: see live-mounts.ts. */
  readonly liveDirectory?: string
  /** See host-skeleton.ts. */
  readonly skeleton?: string
  /** See fuse-overlay.ts: where its mount is while the root is made. */
  readonly fuseOverlay?: string
}

/** What lies at a path of the container and below it, up to the next place. */
interface Place {
  readonly at: string
  /** Where its files are on the host; absent: it has what is made here, and nothing else. */
  readonly source?: string
  /** What is made here is made there, before anything is mounted. */
  readonly upper?: string
  /** What is made here is made among the host's files. */
  readonly isMerged?: true
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
  readonly #binds: HostBinds
  /** Each with its own mounts, the place's first. */
  readonly #places = new Map<string, Place>()
  readonly #layerMounts = new Map<string, FstabEntry[]>()
  readonly #volumeMounts: FstabEntry[] = []
  readonly #directories: PlannedDirectory[] = []
  #files: string[] = []
  #links: PlannedLink[] = []
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
  readonly #isReadOnly: boolean
  readonly #nested: boolean
  readonly #skeleton: string | undefined
  readonly #fuseOverlay: string | undefined
  /** Places whose mount has an upper layer. */
  readonly #layered = new Set<string>()
  #layers = 0

  constructor(host: HostView, options: RootTreeOptions) {
    const { world, overlays, liveDirectory, hidden } = options
    this.#host = host
    this.#liveDirectory = liveDirectory
    this.#world = world
    this.#overlays = overlays
    this.#hidden = hidden
    this.#isReadOnly = options.readOnly
    this.#nested = options.nested
    this.#skeleton = options.skeleton
    this.#fuseOverlay = options.fuseOverlay
    this.#binds = new HostBinds(host, options)
    this.#places.set('/', { at: '/', source: '/', upper: world, volume: false })
    // For the mount programs; detached at the end, when the PID namespace brings its own.
    this.#directories.push({ path: join(world, 'proc') })
    this.#layerMounts.set('/proc', [
      bind(
        '/proc',
        join(world, 'proc'),
        options.nested ? ['rbind', 'rprivate'] : ['bind', 'private'],
      ),
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
  bindHost(path: string, ...flags: readonly 'ro'[]): void {
    if (this.#binds.isHidden(path)) return
    if (this.#placeOf(dirname(path)).upper !== undefined)
      this.#makePoint(path, this.#host.lstat(path)?.kind)
    this.#addMounts(path, this.#binds.hostBind(path, ...flags))
    this.#places.set(path, { at: path, source: path, volume: false })
  }

  /**
   * The same for one of which nothing else is to be seen here: what is a directory of the
   * container's own is the host's from there on.
   */
  shareHost(path: string): void {
    const { source, upper } = this.#placeOf(path)
    if (source !== undefined && upper === undefined) return
    this.#makeParents(dirname(path))
    this.bindHost(path)
  }

  /** A directory of which the container has nothing but what is made in it, with the host's mode. */
  makeOwnDirectory(path: string): void {
    const upper = this.#inUpper(path)
    this.#copyDirectory(upper, path)
    this.#places.set(path, { at: path, upper, volume: false })
    this.#made.set(path, 'directory')
  }

  /** The same as a mount, which stays writable in a root that is not. */
  mountOwnDirectory(path: string): void {
    const upper = this.#newLayer()
    this.#directories.push({ path: upper }, { path: join(this.#world, path) })
    this.#places.set(path, { at: path, upper, volume: false })
    this.#made.set(path, 'directory')
    const options = ['bind', 'nosuid', ...this.#binds.nodev]
    this.#addMounts(path, [bind(upper, join(this.#world, path), options)])
  }

  /** A device node of the host that works, in a directory of the container's own. */
  bindDevice(path: string): void {
    this.#makePoint(path, 'other')
    this.#made.set(path, 'other')
    this.#addMounts(path, [bind(path, join(this.#world, path), ['bind'])])
  }

  /**
   * What is mounted where the host has a directory or the container one of its own, which is made
   * here. `contents`: what is in it, where that is known.
   */
  mountInstead(
    path: string,
    mount: Omit<FstabEntry, 'target'>,
    contents?: Pick<Place, 'source' | 'volume'>,
  ): void {
    if (this.#placeOf(dirname(path)).upper !== undefined)
      this.makeOwnDirectory(path)
    this.#addMounts(path, [{ ...mount, target: join(this.#world, path) }])
    if (contents !== undefined)
      this.#places.set(path, { at: path, ...contents })
  }

  /** The host's mounts at a directory and below, which are there whatever is around them. */
  bindReadOnly(path: string): void {
    if (this.#host.mounts.every(({ mountpoint }) => mountpoint !== path)) return
    this.#addMounts(path, this.#binds.recursiveBind(path, path, [], ['ro']))
  }

  /** More of what is mounted at a place, in it. */
  mountWithin(place: string, mounts: readonly FstabEntry[]): void {
    this.#addMounts(place, mounts)
  }

  /** What the host has mounted below a directory in whose place something else is. */
  bindSubmounts(path: string): void {
    for (const point of this.#binds.submounts(path))
      this.#addMounts(point, this.#binds.hostBind(point))
  }

  makeLink(path: string, target: string): void {
    this.#links.push({ path: this.#inUpper(path), target })
    this.#made.set(path, 'symlink')
  }

  /** Copy-on-write all the way down. An overlay does not show submounts: they come back in. */
  addDeepLayer(path: string): void {
    if (this.#isOfFuse(path)) return this.#addFuseLayer(path)
    if (this.#isCopied(path)) return this.#addLayer(path, [])
    if (this.#overlays && this.#binds.hasLocked(path))
      return this.#addLayers(path)
    const points = this.#binds.submounts(path)
    this.#addLayer(path, points)
    for (const point of points)
      this.#places.set(point, { at: point, source: point, volume: false })
    if (this.#fuseOverlay === undefined) return
    for (const child of this.#childrenOf(path) ?? [])
      if (
        this.#isOfFuse(child) &&
        !points.includes(child) &&
        this.#host.lstat(child)?.kind === 'directory'
      )
        this.#addFuseLayer(child)
  }

  /** Not where it would show what no container has: unlike an overlay it sees what is mounted. */
  #isOfFuse(path: string): boolean {
    return (
      this.#fuseOverlay !== undefined &&
      fuseDirectories.test(path) &&
      !this.#hidden.some(hidden => isWithin(hidden, path)) &&
      !this.#host.mounts.some(
        mount => isPodfsMount(mount) && isWithin(mount.mountpoint, path),
      )
    )
  }

  /** Here even what the host has mounted below a directory is seen; but that is the host's own. */
  #addFuseLayer(path: string): void {
    const upper = join(this.#fuseOverlay ?? '', path)
    this.#layered.add(path)
    if (dirname(path) === '/')
      this.#directories.push({ path: join(this.#world, path) })
    const place = { at: path, source: path, upper, volume: false }
    this.#places.set(path, { ...place, isMerged: true })
    const mounts = [bind(upper, join(this.#world, path), ['bind'])]
    for (const point of this.#binds.submounts(path)) {
      mounts.push(...this.#binds.hostBind(point))
      this.#places.set(point, { at: point, source: point, volume: false })
    }
    this.#layerMounts.set(path, mounts)
  }

  /**
   * The same of a directory that the kernel does not take for an overlay: of each of its
   * directories that it does take.
   */
  #addLayers(path: string): void {
    const children = this.#childrenOf(path)
    if (children === undefined) return this.bindHost(path)
    const mounted = new Set(this.#host.mounts.map(mount => mount.mountpoint))
    const isOwn = (child: string): boolean =>
      this.#host.lstat(child)?.kind !== 'directory' || mounted.has(child)
    const bound = children.filter(
      child => isOwn(child) && this.#host.lstat(child)?.kind !== 'symlink',
    )
    this.#addLayer(path, bound)
    for (const child of bound)
      this.#places.set(child, { at: child, source: child, volume: false })
    for (const child of children.filter(child => !isOwn(child))) {
      this.#makePoint(child, 'directory')
      this.addDeepLayer(child)
    }
  }

  /** Undefined where this user cannot look. */
  #childrenOf(path: string): string[] | undefined {
    try {
      return this.#host
        .readdir(path)
        .map(name => join(path, name))
        .filter(child => !this.#binds.isHidden(child))
    } catch {
      return undefined
    }
  }

  /**
   * Only the directory's own regular files and links are private; its directories, and
   * sockets, FIFOs and devices, which do not work through an overlay, are the host's.
   */
  addShallowLayer(path: string): void {
    const mounted = new Set(this.#host.mounts.map(mount => mount.mountpoint))
    const children = this.#host
      .readdir(path)
      .map(name => join(path, name))
      .filter(child => {
        if (this.#binds.isHidden(child)) return false
        const kind = this.#host.lstat(child)?.kind
        if (kind === 'directory' || kind === 'other') return true
        return (
          kind === 'file' && (!this.#canOverlay(path) || mounted.has(child))
        )
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
    const place = join(parent, basename(path))
    this.#forget(parent, place)
    this.#links.push({ path: this.#inUpper(place), target })
  }

  /** What a layer that is no overlay was to have there. */
  #forget(parent: string, path: string): void {
    const upper = this.#inUpper(path)
    this.#links = this.#links.filter(link => link.path !== upper)
    this.#files = this.#files.filter(file => file !== upper)
    const target = join(this.#world, path)
    const mounts = this.#layerMounts
      .get(parent)
      ?.filter(mount => mount.target !== target)
    if (mounts !== undefined) this.#layerMounts.set(parent, mounts)
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
    if (path === '/' || isWithin(path, '/proc') || this.#binds.isHidden(path))
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
    mount: ContainerMount,
  ): void {
    const { recursive, readOnly, readOnlyBelow, followsHost, locate } = mount
    const options = this.#binds.keeping(source, [
      recursive ? 'rbind' : 'bind',
      ...(readOnly ? ['ro'] : []),
      ...this.#binds.nodev,
    ])
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
      this.#volumeMounts.push(
        bind(place, target, ['bind', ...this.#binds.nodev]),
      )
    } else if (recursive) {
      this.#volumeMounts.push(
        ...this.#binds
          .recursiveBind(
            source,
            path,
            readOnly ? ['ro'] : [],
            readOnlyBelow ? ['ro'] : [],
          )
          .map(entry => (followsHost ? following(entry) : entry)),
      )
    } else {
      const entry = bind(source, target, [...options, 'private'])
      this.#volumeMounts.push(followsHost ? following(entry) : entry)
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
    if (this.#binds.isHidden(path))
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
    const view = this.#binds.view()
    return {
      ...(view === undefined ? {} : { hostView: view }),
      directories: this.#directories,
      files: this.#files,
      links: this.#links,
      fstab: [...layers.flatMap(([, mounts]) => mounts), ...this.#volumeMounts],
      volumePoints: this.#volumePoints,
      mountPaths: this.#mountPaths,
      nested: this.#nested,
      rootOptions: this.#binds.nodev,
      absent,
      covered: this.#covered,
      readOnly: this.#readOnlyPlaces(),
      livePlaces: this.#live.map(({ place, kind, mounts }) => ({
        place,
        kind,
        mounts,
      })),
    }
  }

  /** Of the host's binds each is mounted so; what a volume covers is out of reach. */
  #readOnlyPlaces(): ReadOnlyPlace[] {
    const covered = new Set(this.#mountPaths.map(({ path }) => path))
    const own = this.#isReadOnly ? [...this.#layered, '/'] : []
    return [
      ...own.map(path => ({ path, options: this.#binds.nodev })),
      ...this.#binds.readOnlyLater,
    ].filter(({ path }) => !covered.has(path))
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
    if (path === place.at || place.isMerged || this.#made.has(path)) return
    this.#makeParents(dirname(path))
    this.#copyDirectory(this.#inUpper(path), path)
  }

  #makePoint(path: string, kind = this.#lstat(path)?.kind): void {
    const { isMerged } = this.#placeOf(dirname(path))
    if (isMerged && this.#host.lstat(path) !== undefined) return
    if (kind === 'directory')
      this.#directories.push({ path: this.#inUpper(path) })
    else this.#files.push(this.#inUpper(path))
  }

  #copyDirectory(path: string, like: string): void {
    const { mode, uid, gid } = this.#ownerOf(like)
    this.#directories.push({
      path,
      ...(mode === 0o755 ? {} : { mode }),
      ...(uid === 0 && gid === 0 ? {} : { uid, gid }),
    })
  }

  /** What belongs to nobody in a user namespace is root's in a layer of the container's. */
  #ownerOf(path: string): Omit<HostEntry, 'kind'> {
    const found = this.#host.lstat(path) ?? { mode: 0o755, uid: 0, gid: 0 }
    const { mode, uid, gid } = found
    const isForeign = (id: number): boolean => this.#nested && id === overflowId
    return {
      mode,
      uid: isForeign(uid) ? 0 : uid,
      gid: isForeign(gid) ? 0 : gid,
    }
  }

  #addLayer(path: string, comeBack: readonly string[]): void {
    const upper = this.#newLayer()
    this.#layered.add(path)
    this.#copyDirectory(upper, path)
    if (dirname(path) === '/')
      this.#directories.push({ path: join(this.#world, path) })
    this.#places.set(path, { at: path, source: path, upper, volume: false })
    const mounts: FstabEntry[] = []
    if (this.#canOverlay(path)) {
      const work = join(dirname(upper), 'work')
      this.#directories.push({ path: work })
      mounts.push({
        source: 'podfs',
        target: join(this.#world, path),
        type: 'overlay',
        options: [
          `lowerdir=${this.#lowersOf(path).join(':')}`,
          `upperdir=${upper}`,
          `workdir=${work}`,
          // Nobody but root of the machine may write the other ones.
          ...(this.#nested ? ['userxattr'] : []),
          ...this.#binds.nodev,
        ],
      })
    } else {
      mounts.push(
        bind(upper, join(this.#world, path), ['bind', ...this.#binds.nodev]),
      )
      for (const name of this.#host.readdir(path)) {
        const child = join(path, name)
        if (this.#host.lstat(child)?.kind === 'symlink') this.copyLink(child)
      }
      for (const child of comeBack) this.#makePoint(child)
    }
    mounts.push(...comeBack.flatMap(child => this.#binds.hostBind(child)))
    // It replaces the plain bind of the same directory, when there was one.
    this.#layerMounts.set(path, mounts)
  }

  /** An upper directory. */
  #newLayer(): string {
    this.#layers += 1
    return join(this.#world, layersPlace, String(this.#layers), 'upper')
  }

  /**
   * An overlay's options cannot hold these characters in a way that all versions read; and it shows
   * nothing of what is mounted below a directory.
   */
  #canOverlay(path: string): boolean {
    return (
      this.#overlays &&
      !/[,:\\]/.test(join(this.#world, path)) &&
      (this.#isCopied(path) || !this.#binds.hasLocked(path))
    )
  }

  /** What others find at a place when it is planned: their files, or root's copies of them. */
  #lowersOf(path: string): string[] {
    const copy = this.#copyOf(path)
    if (copy === undefined) return [path]
    return this.#isCopied(path) ? [copy] : [copy, path]
  }

  #copyOf(path: string): string | undefined {
    if (this.#skeleton === undefined) return undefined
    const copy = join(this.#skeleton, path)
    return this.#host.lstat(copy)?.kind === 'directory' ? copy : undefined
  }

  #isCopied(path: string): boolean {
    return isWithin(path, '/etc') && this.#copyOf(path) !== undefined
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
 * What fuse-overlayfs shows of the host's root. Not programs and their libraries, which the kernel
 * starts from its own caches.
 */
const fuseDirectories = /^\/(var|opt|usr\/(?!s?bin$|lib\w*$)[^/]+)$/

/** In a copy of the host's mount namespace, as a root is made in, all that is shared is a slave. */
function following(entry: FstabEntry): FstabEntry {
  const options = entry.options.map(option =>
    option.replace(/^(r?)private$/, '$1slave'),
  )
  return { ...entry, options }
}
