export type MountErrorCode =
  /** /dev/fuse could not be opened, or mount(8) failed. */
  | 'MOUNT_FAILED'
  /** Unmounting: something has a file or a working directory there. */
  | 'MOUNT_BUSY'
  /** A bind is not what it should be: not read-only, or of something else. */
  | 'MOUNT_UNVERIFIED'
  /** No tmpfs for the journals. */
  | 'MOUNT_NO_TMPFS'

export class MountError extends Error {
  readonly code: MountErrorCode
  readonly path: string

  constructor(
    code: MountErrorCode,
    path: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${message}: ${path}`, options)
    this.name = 'MountError'
    this.code = code
    this.path = path
  }
}
