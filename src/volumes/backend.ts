/**
 * The places where volumes can be published, behind one interface. The writer is the same for
 * all three, and so is the rule who may write: podfs through a private directory; everybody
 * else sees read-only binds. What a backend cannot give: docs/backends.md, which is made from
 * the results of the suite that all three go through (test/helpers/backend-suite.ts).
 */
import type { PublicPlace } from '../fuse/mount/keeper-process.ts'
import type { FuseMountOptions } from '../fuse/mount/mount.ts'
import type { FillDirectory } from '../util/new-entry.ts'

/** The best first. */
export const backendNames = ['fuse', 'fuse-native', 'dir'] as const
export type BackendName = (typeof backendNames)[number]

export interface BackendOptions extends FuseMountOptions {
  /** What will be shown where: for a place that cannot be bound to a mount point later. */
  readonly shown?: PublicPlace
}

/** A place where volumes are published: RUNTIME/ID/rw and what it is shown at. */
export interface Backend {
  readonly name: BackendName
  /** Writes go through here: a path that does not lead to the disk when the mount is gone. */
  readonly directory: string
  /** The mode that a volume's root must have; undefined: as a kubelet gives it. */
  readonly volumeRootMode: number | undefined
  /** Shows a directory ('' = all of it) read-only at an existing directory. */
  bind(subdirectory: string, target: string): Promise<void>
  /** Throws MOUNT_BUSY when somebody is in there, unless lazy. */
  unbind(target: string, options?: { readonly lazy?: boolean }): Promise<void>
  /** Resolves with the reason when it is lost; never after `stop`. */
  readonly lost: Promise<string>
  /** Makes the entries of a new directory at once; only of podfs's own file server. */
  readonly fill?: FillDirectory
  /** Requests per operation; only of podfs's own file server. */
  readonly stats?: () => Promise<Readonly<Record<string, number>>>
  stop(): Promise<void>
}
