export type MountErrorCode =
  /** /dev/fuse could not be opened, or mount(8) failed. */
  | 'MOUNT_FAILED'
  /** Unmounting: something has a file or a working directory there. */
  | 'MOUNT_BUSY'
  /** A bind is not what it should be: not read-only, or of something else. */
  | 'MOUNT_UNVERIFIED'
  /** No tmpfs for the journals. */
  | 'MOUNT_NO_TMPFS'
  /** A package or library that a backend needs is not there. */
  | 'MOUNT_NO_BACKEND'

export class MountError extends Error {
  readonly code: MountErrorCode
  readonly path: string
  /** What to type. */
  readonly fix: string | undefined

  constructor(
    code: MountErrorCode,
    path: string,
    message: string,
    options: ErrorOptions & { readonly fix?: string } = {},
  ) {
    super(path === '' ? message : `${message}: ${path}`, options)
    this.name = 'MountError'
    this.code = code
    this.path = path
    this.fix = options.fix
  }
}
