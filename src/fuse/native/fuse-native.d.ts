/**
 * What podfs uses of the package fuse-native 2.2.6, which brings no types of its own. Numbers
 * given back are negative errnos.
 */
declare module 'fuse-native' {
  type Done<Results extends readonly unknown[] = []> = (
    error: number,
    ...results: Partial<Results>
  ) => void

  export interface Stat {
    mode: number
    uid: number
    gid: number
    size: number
    nlink: number
    ino: number
    atime: number
    mtime: number
    ctime: number
  }

  export interface Operations {
    getattr(path: string, done: Done<[Stat]>): void
    readdir(path: string, done: Done<[string[]]>): void
    readlink(path: string, done: Done<[string]>): void
    open(path: string, flags: number, done: Done<[number]>): void
    read(
      path: string,
      fd: number,
      buffer: Buffer,
      length: number,
      offset: number,
      done: Done<[number]>,
    ): void
    statfs(path: string, done: Done<[Record<string, number>]>): void
    write(
      path: string,
      fd: number,
      buffer: Buffer,
      length: number,
      offset: number,
      done: Done<[number]>,
    ): void
    truncate(path: string, size: number, done: Done): void
    chmod(path: string, mode: number, done: Done): void
    chown(path: string, uid: number, gid: number, done: Done): void
    utimens(path: string, atime: number, mtime: number, done: Done): void
    mknod(path: string, mode: number, device: number, done: Done): void
    mkdir(path: string, mode: number, done: Done): void
    symlink(target: string, path: string, done: Done): void
    unlink(path: string, done: Done): void
    rmdir(path: string, done: Done): void
    rename(from: string, to: string, done: Done): void
  }

  class Fuse {
    constructor(
      mountpoint: string,
      operations: Operations,
      options?: { timeout?: number | false },
    )
    mount(done: (error: Error | null) => void): void
    /** `-oOPTION,OPTION..` for libfuse. */
    _fuseOptions(): string
  }
  export default Fuse
}
