/**
 * The error numbers that the server speaks, spelled as in <asm-generic/errno.h>. Linux has
 * the same numbers on x64 and arm64; `os.constants.errno` lacks ESTALE's neighbours on some
 * builds, so they are written out.
 */
export const EPERM = 1
export const ENOENT = 2
export const EIO = 5
export const EBUSY = 16
export const EEXIST = 17
export const ENOTDIR = 20
export const EISDIR = 21
export const EINVAL = 22
export const EFBIG = 27
export const ENOSPC = 28
export const EROFS = 30
export const EPROTO = 71
export const ENOSYS = 38
export const ENAMETOOLONG = 36
export const ENOTEMPTY = 39
export const ENOTCONN = 107
export const ESTALE = 116

/** Thrown by the tree and by handlers: becomes the errno of exactly one reply. */
export class ErrnoError extends Error {
  readonly errno: number

  constructor(errno: number) {
    super(`errno ${errno}`)
    this.name = 'ErrnoError'
    this.errno = errno
  }
}
