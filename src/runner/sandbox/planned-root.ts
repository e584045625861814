import type { FstabEntry } from './fstab.ts'

/** A container's root as data: what is made, and what is mounted where. */
export interface RootPlan {
  /** Made in this order; modes and owners where they are not 0755 root. */
  readonly directories: readonly PlannedDirectory[]
  /** Empty files, as mount points. */
  readonly files: readonly string[]
  readonly links: readonly PlannedLink[]
  readonly fstab: readonly FstabEntry[]
  /**
   * In a user namespace. What came of the host is locked there: it can be covered, and not be
   * unmounted. And a /proc can only be mounted where one is that nothing covers (VFS: Mount too
   * revealing): the first one stays below.
   */
  readonly nested: boolean
  /** Of the tmpfs that is the root. */
  readonly rootOptions: readonly string[]
  /** See `hostView`; when it is needed. */
  readonly hostView?: FstabEntry
  /** See fuse-overlay.ts; when it is used. */
  readonly fuseOverlay?: FstabEntry
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
  /** Mount points, the root's among them, that are made read-only when all is there. */
  readonly readOnly: readonly ReadOnlyPlace[]
  /** Not in the fstab: mounted on the host, see live-mounts.ts. */
  readonly livePlaces: readonly LivePlace[]
}

export interface ReadOnlyPlace {
  readonly path: string
  /** Flags of the mount that stay. */
  readonly options: readonly string[]
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
