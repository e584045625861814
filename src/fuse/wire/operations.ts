/**
 * One table: name, number, and what the server does with the operation. A `query` and a `mutation`
 * have a handler (handlers.ts); a mutation is the daemon's alone, and is recorded. `silent` gets no
 * reply at all (the kernel answers a reply to a FORGET with ENOENT). `EROFS` would be a change that
 * the daemon does not make: nobody may, and each caller is told so as on a read-only file system.
 * `ENOSYS` makes the kernel do without it, in most cases for good (docs/fuse.md#enosys).
 */
export const operations = {
  LOOKUP: { opcode: 1, kind: 'query' },
  FORGET: { opcode: 2, kind: 'silent' },
  GETATTR: { opcode: 3, kind: 'query' },
  SETATTR: { opcode: 4, kind: 'mutation' },
  READLINK: { opcode: 5, kind: 'query' },
  SYMLINK: { opcode: 6, kind: 'mutation' },
  MKNOD: { opcode: 8, kind: 'mutation' },
  MKDIR: { opcode: 9, kind: 'mutation' },
  UNLINK: { opcode: 10, kind: 'mutation' },
  RMDIR: { opcode: 11, kind: 'mutation' },
  RENAME: { opcode: 12, kind: 'mutation' },
  LINK: { opcode: 13, kind: 'EROFS' },
  OPEN: { opcode: 14, kind: 'query' },
  READ: { opcode: 15, kind: 'query' },
  WRITE: { opcode: 16, kind: 'mutation' },
  STATFS: { opcode: 17, kind: 'query' },
  RELEASE: { opcode: 18, kind: 'query' },
  FSYNC: { opcode: 20, kind: 'ENOSYS' },
  SETXATTR: { opcode: 21, kind: 'EROFS' },
  GETXATTR: { opcode: 22, kind: 'ENOSYS' },
  LISTXATTR: { opcode: 23, kind: 'ENOSYS' },
  REMOVEXATTR: { opcode: 24, kind: 'EROFS' },
  // At once: a caller that waits in close() for a FLUSH cannot be killed.
  FLUSH: { opcode: 25, kind: 'ENOSYS' },
  INIT: { opcode: 26, kind: 'query' },
  OPENDIR: { opcode: 27, kind: 'query' },
  READDIR: { opcode: 28, kind: 'query' },
  RELEASEDIR: { opcode: 29, kind: 'query' },
  FSYNCDIR: { opcode: 30, kind: 'ENOSYS' },
  GETLK: { opcode: 31, kind: 'ENOSYS' },
  SETLK: { opcode: 32, kind: 'ENOSYS' },
  SETLKW: { opcode: 33, kind: 'ENOSYS' },
  ACCESS: { opcode: 34, kind: 'ENOSYS' },
  // The kernel then sends MKNOD and OPEN: one way to make a file instead of two.
  CREATE: { opcode: 35, kind: 'ENOSYS' },
  // The kernel then sends no INTERRUPT any more; nothing here takes long enough for one.
  INTERRUPT: { opcode: 36, kind: 'ENOSYS' },
  BMAP: { opcode: 37, kind: 'ENOSYS' },
  DESTROY: { opcode: 38, kind: 'query' },
  IOCTL: { opcode: 39, kind: 'ENOSYS' },
  POLL: { opcode: 40, kind: 'ENOSYS' },
  NOTIFY_REPLY: { opcode: 41, kind: 'silent' },
  BATCH_FORGET: { opcode: 42, kind: 'silent' },
  FALLOCATE: { opcode: 43, kind: 'ENOSYS' },
  READDIRPLUS: { opcode: 44, kind: 'query' },
  RENAME2: { opcode: 45, kind: 'EROFS' },
  LSEEK: { opcode: 46, kind: 'ENOSYS' },
  COPY_FILE_RANGE: { opcode: 47, kind: 'ENOSYS' },
  SETUPMAPPING: { opcode: 48, kind: 'ENOSYS' },
  REMOVEMAPPING: { opcode: 49, kind: 'ENOSYS' },
  SYNCFS: { opcode: 50, kind: 'ENOSYS' },
  TMPFILE: { opcode: 51, kind: 'EROFS' },
  STATX: { opcode: 52, kind: 'ENOSYS' },
  COPY_FILE_RANGE_64: { opcode: 53, kind: 'ENOSYS' },
} as const satisfies Record<
  string,
  { opcode: number; kind: 'query' | 'mutation' | 'silent' | 'EROFS' | 'ENOSYS' }
>

export type OperationName = keyof typeof operations
type NamesOf<Kind> = {
  [Name in OperationName]: (typeof operations)[Name]['kind'] extends Kind
    ? Name
    : never
}[OperationName]
export type QueryName = NamesOf<'query'>
export type MutationName = NamesOf<'mutation'>

/** By opcode, derived. */
export const operationNames: readonly (OperationName | undefined)[] =
  Object.entries(operations).reduce<(OperationName | undefined)[]>(
    (names, [name, { opcode }]) => {
      names[opcode] = name as OperationName
      return names
    },
    [],
  )
