/**
 * Every call by which a consumer could change a volume, as JavaScript for another process. `D`
 * is a directory of its own with `file`, `source`, `link` to file and `empty`, a directory;
 * `call` makes a raw system call and throws `{code}`; `writable` opens for writing or, where
 * that is refused, for reading.
 */
export const mutatingCalls: Readonly<Record<string, string>> = {
  'open(O_RDWR)': `fs.openSync(D + '/file', 'r+')`,
  'open(O_WRONLY)': `fs.openSync(D + '/file', fs.constants.O_WRONLY)`,
  'open(O_APPEND)': `fs.openSync(D + '/file', 'a')`,
  'open(O_TRUNC)': `fs.openSync(D + '/file', 'w')`,
  'open(O_RDONLY|O_TRUNC)': `fs.openSync(D + '/file', fs.constants.O_RDONLY | fs.constants.O_TRUNC)`,
  'open(O_TMPFILE)': `fs.openSync(D, 0o20200000 | fs.constants.O_RDWR)`,
  creat: `fs.openSync(D + '/new', 'wx')`,
  write: `fs.writeSync(writable(D + '/file'), 'x')`,
  truncate: `fs.truncateSync(D + '/file', 0)`,
  ftruncate: `fs.ftruncateSync(writable(D + '/file'), 0)`,
  fallocate: `call('int fallocate(int, int, int64_t, int64_t)', writable(D + '/file'), 0, 0, 100)`,
  'fallocate(PUNCH_HOLE)': `call('int fallocate(int, int, int64_t, int64_t)', writable(D + '/file'), 3, 0, 4)`,
  copy_file_range: `call('int64_t copy_file_range(int, void *, int, void *, size_t, uint32_t)', fs.openSync(D + '/source', 'r'), null, writable(D + '/file'), null, 4, 0)`,
  sendfile: `call('int64_t sendfile(int, int, void *, size_t)', writable(D + '/file'), fs.openSync(D + '/source', 'r'), null, 4)`,
  'mmap(MAP_SHARED, PROT_WRITE)': `call('int64_t mmap(void *, size_t, int, int, int, int64_t)', null, 4096, 3, 1, writable(D + '/file'), 0)`,
  'mmap, then mprotect(PROT_WRITE)': `{
    const at = call('int64_t mmap(void *, size_t, int, int, int, int64_t)', null, 4096, 1, 1, fs.openSync(D + '/file', 'r'), 0)
    call('int mprotect(int64_t, size_t, int)', at, 4096, 3)
  }`,
  unlink: `fs.unlinkSync(D + '/file')`,
  rename: `fs.renameSync(D + '/file', D + '/other')`,
  'rename over another': `fs.renameSync(D + '/link', D + '/file')`,
  'renameat2(RENAME_EXCHANGE)': `call('int renameat2(int, const char *, int, const char *, uint32_t)', -100, D + '/file', -100, D + '/source', 2)`,
  link: `fs.linkSync(D + '/file', D + '/hard')`,
  symlink: `fs.symlinkSync('x', D + '/newlink')`,
  mkdir: `fs.mkdirSync(D + '/newdir')`,
  rmdir: `fs.rmdirSync(D + '/empty')`,
  'mknod(S_IFREG)': `call('int mknod(const char *, uint32_t, uint64_t)', D + '/node', 0o100644, 0)`,
  'mknod(S_IFCHR)': `call('int mknod(const char *, uint32_t, uint64_t)', D + '/device', 0o020644, 0x103)`,
  mkfifo: `call('int mkfifo(const char *, uint32_t)', D + '/fifo', 0o644)`,
  chmod: `fs.chmodSync(D + '/file', 0o777)`,
  fchmod: `fs.fchmodSync(fs.openSync(D + '/file', 'r'), 0o777)`,
  'chmod of a directory': `fs.chmodSync(D, 0o700)`,
  chown: `fs.chownSync(D + '/file', 65534, 65534)`,
  lchown: `fs.lchownSync(D + '/link', 65534, 65534)`,
  utimes: `fs.utimesSync(D + '/file', 1, 1)`,
  lutimes: `fs.lutimesSync(D + '/link', 1, 1)`,
  setxattr: `call('int setxattr(const char *, const char *, const char *, size_t, int)', D + '/file', 'user.x', 'y', 1, 0)`,
  removexattr: `call('int removexattr(const char *, const char *)', D + '/file', 'user.x')`,
}

export const withLibc = `
  const libc = koffi.load('libc.so.6')
  const call = (signature, ...args) => {
    const result = libc.func(signature)(...args)
    if (result === -1 || result === -1n)
      throw { code: Object.entries(require('os').constants.errno).find(([, n]) => n === koffi.errno())[0] }
    return result
  }
  const writable = file => {
    try { return fs.openSync(file, 'r+') } catch { return fs.openSync(file, 'r') }
  };
`
