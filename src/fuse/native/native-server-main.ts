/**
 * The server of the backend fuse-native: libfuse 2 through the npm package of that name, path
 * operations over the same tree. The only file that knows the package. A process of its own,
 * started by mount-keeper.sh:
 *
 *   native-server RW DEVICE_FILE allow-other|owner-only
 *
 * - It must never touch its mount: it holds /dev/fuse, and would wait for itself.
 * - The package does not say who calls, so there is no second fence here: on the private mount
 *   every process of root may write. What keeps everybody else out is its directory, 0700, and
 *   the kernel, which keeps the binds read-only.
 * - Nothing survives it: no journal, and a libfuse cannot take over a connection.
 * - libfuse works by path, so an open file that loses its name is lost to its reader (ENOENT),
 *   but for what the kernel has cached. Its other way, to hide such a file under a new name,
 *   would keep the old generation's directory from being removed.
 *
 * Its first line on stdout is `mounted MAJOR:MINOR`, or `missing WHAT` and the reason on stderr.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import process from 'node:process'
import type Fuse from 'fuse-native'
import type { Operations } from 'fuse-native'
import { EIO, ErrnoError } from '../wire/errno.ts'
import { parseMountinfo } from '../../linux/mountinfo.ts'
import { PathOperations } from './path-operations.ts'
import type { Time } from '../wire/protocol.ts'
import { serverLog } from '../server/server-log.ts'

/**
 * In effect for ever: every change comes through the mount, so the kernel sees it happen.
 * libfuse reads the number as a double; the kernel takes a year.
 */
const VALID_SECONDS = 31_536_000

const [rw = '', deviceFile = '', access = ''] = process.argv.slice(2)

function main(): void {
  // Without a listener Node answers it with an inspector, which every user can reach.
  process.on('SIGUSR1', () => {})
  const FuseNative = loadPackage()
  if (FuseNative === undefined) return
  class PodfsFuse extends FuseNative {
    // The package knows only some of libfuse's options.
    override _fuseOptions(): string {
      return `-o${[
        'fsname=podfs',
        'subtype=podfs',
        'default_permissions',
        'nosuid',
        'nodev',
        'big_writes',
        'use_ino',
        'hard_remove',
        'kernel_cache',
        ...['entry', 'negative', 'attr', 'ac_attr'].map(
          what => `${what}_timeout=${VALID_SECONDS}`,
        ),
        ...(access === 'allow-other' ? ['allow_other'] : []),
      ].join()}`
    }
  }
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const fuse = new PodfsFuse(
    rw,
    fuseOperations(new PathOperations({ owner, now })),
    { timeout: false },
  )
  fuse.mount(error => {
    if (error) {
      serverLog('libfuse cannot mount', { error: String(error) })
      process.exitCode = 1
      return
    }
    // Reading the table does not touch the mount.
    const mount = parseMountinfo(
      readFileSync('/proc/self/mountinfo', 'utf8'),
    ).findLast(({ mountpoint }) => mountpoint === rw)
    writeFileSync(deviceFile, `${mount?.device}\n`)
    process.stdout.write(`mounted ${mount?.device}\n`)
  })
}

function loadPackage(): typeof Fuse | undefined {
  try {
    // Not an import: a missing optional package must not be an error before it is asked for.
    return createRequire(process.argv[1] as string)(
      'fuse-native',
    ) as typeof Fuse
  } catch (error) {
    const { message } = error as Error
    process.stdout.write(
      message.includes('libfuse.so.2')
        ? 'missing libfuse\n'
        : 'missing package\n',
    )
    process.stderr.write(`${message.split('\n')[0]}\n`)
    process.exitCode = 1
    return undefined
  }
}

function now(): Time {
  const ms = Date.now()
  return { sec: Math.floor(ms / 1000), nsec: (ms % 1000) * 1e6 }
}

function timeOf(ms: number): Time {
  return { sec: Math.floor(ms / 1000), nsec: Math.floor((ms % 1000) * 1e6) }
}

function msOf({ sec, nsec }: Time): number {
  return sec * 1000 + Math.floor(nsec / 1e6)
}

/** An operation that throws must still be answered: its caller waits for ever. */
function answer<Result>(
  done: (error: number, result?: Result) => void,
  operation: () => Result,
): void {
  let result: Result
  try {
    result = operation()
  } catch (error) {
    if (!(error instanceof ErrnoError))
      serverLog('request failed', { error: String(error) })
    return done(-(error instanceof ErrnoError ? error.errno : EIO))
  }
  done(0, result)
}

function fuseOperations(files: PathOperations): Operations {
  return {
    getattr: (path, done) =>
      answer(done, () => {
        const { atime, mtime, ctime, ...attr } = files.getattr(path)
        return {
          ...attr,
          atime: msOf(atime),
          mtime: msOf(mtime),
          ctime: msOf(ctime),
        }
      }),
    readdir: (path, done) => answer(done, () => files.readdir(path)),
    readlink: (path, done) => answer(done, () => files.readlink(path)),
    open: (path, _flags, done) => answer(done, () => files.id(path)),
    read: (_path, id, buffer, length, offset, done) => {
      let copied = 0
      answer(
        error => done(error === 0 ? copied : error),
        () => {
          copied = files.contents(id).copy(buffer, 0, offset, offset + length)
        },
      )
    },
    write: (path, _id, buffer, length, offset, done) =>
      answer(
        error => done(error === 0 ? length : error),
        // A copy: the memory is libfuse's.
        () =>
          files.write(path, offset, Buffer.from(buffer.subarray(0, length))),
      ),
    statfs: (_path, done) =>
      answer(done, () => ({
        bsize: 4096,
        frsize: 4096,
        files: files.tree.nodes.size,
        namemax: 255,
      })),
    truncate: (path, size, done) =>
      answer(done, () => files.truncate(path, size)),
    chmod: (path, mode, done) => answer(done, () => files.chmod(path, mode)),
    chown: (path, uid, gid, done) =>
      answer(done, () => files.chown(path, uid, gid)),
    utimens: (path, atime, mtime, done) =>
      answer(done, () => files.utimens(path, timeOf(atime), timeOf(mtime))),
    mknod: (path, mode, _device, done) =>
      answer(done, () => files.mknod(path, mode)),
    mkdir: (path, mode, done) => answer(done, () => files.mkdir(path, mode)),
    symlink: (target, path, done) =>
      answer(done, () => files.symlink(target, path)),
    unlink: (path, done) => answer(done, () => files.remove(path, 'file')),
    rmdir: (path, done) => answer(done, () => files.remove(path, 'directory')),
    rename: (from, to, done) => answer(done, () => files.rename(from, to)),
  }
}

main()
