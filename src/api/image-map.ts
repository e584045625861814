/**
 * What an image name stands for on this machine: podfs has no images, its containers run
 * the machine's own programs. The fields mean what they mean in an image's configuration
 * (OCI Image Specification v1.1, image configuration): a Pod's `command` replaces entrypoint and
 * args, its `args` replace args.
 */
export interface ImageMapEntry {
  /** An image name, a prefix that ends in `/`, or a pattern with `*`. */
  readonly pattern: string
  readonly entrypoint?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: ReadonlyMap<string, string>
  readonly workingDir?: string
  /** A user name or number of this machine, `USER` or `USER:GROUP`. */
  readonly user?: string
  /** PATH inside the container. */
  readonly path?: string
}
