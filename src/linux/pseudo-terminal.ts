/*
 * A pseudo-terminal (pty(7)) in a container's own devpts, so that its programs find their
 * terminal there (ttyname(3)). What Node has no call for is three ioctls and openat2(2); koffi
 * calls them in this process, without a compiler.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { ReadStream } from 'node:tty'
import { Failure } from '../util/failure.ts'
import { loadLibc } from './libc.ts'

export interface PseudoTerminal {
  /** A child's standard streams; to be closed here as soon as it has them. */
  readonly slave: number
  /** What is written is typed, what is read was printed. Ends when no process has the slave. */
  readonly master: Duplex
  readonly resize: (size: {
    readonly columns: number
    readonly rows: number
  }) => void
}

/** asm-generic/ioctls.h: all machines for which there is a koffi, but ppc64. */
const TIOCSWINSZ = 0x5414
const TIOCSPTLCK = 0x4004_5431
const TIOCGPTPEER = 0x5441
/** asm-generic/unistd.h, and the same on x86. */
const SYS_openat2 = 437
/** linux/openat2.h: no link leads out of the container's root. */
const RESOLVE_IN_ROOT = 0x10
const RESOLVE_NO_MAGICLINKS = 0x02
const O_PATH = 0o10000000
const O_CLOEXEC = 0o2000000
/** Documentation/admin-guide/devices.txt: /dev/ptmx, 5:2. */
const ptmxDevice = 0x502

interface Libc {
  ioctlNumber(fd: number, request: number, argument: number): number
  ioctlBytes(fd: number, request: number, argument: Buffer): number
  openat2(
    call: number,
    directory: number,
    path: string,
    how: Buffer,
    size: number,
  ): number
  errno(): string
}

let loaded: Promise<Libc> | undefined

/** `root`: /proc/PID/root of a process in the container. Rejects when there can be none. */
export async function openPseudoTerminal(
  root: string,
): Promise<PseudoTerminal> {
  loaded ??= loadCalls()
  const calls = await loaded
  const master = openPtmx(calls, root)
  let slave: number | undefined
  try {
    check(calls, calls.ioctlBytes(master, TIOCSPTLCK, Buffer.alloc(4)))
    slave = calls.ioctlNumber(
      master,
      TIOCGPTPEER,
      constants.O_RDWR | constants.O_NOCTTY | O_CLOEXEC,
    )
    check(calls, slave)
    const stream = new ReadStream(master)
    let isOpen = true
    stream.once('close', () => (isOpen = false))
    return {
      slave,
      master: stream,
      resize: ({ columns, rows }) => {
        if (!isOpen) return
        const size = Buffer.alloc(8)
        new Uint16Array(size.buffer, size.byteOffset, 2).set([rows, columns])
        calls.ioctlBytes(master, TIOCSWINSZ, size)
      },
    }
  } catch (error) {
    closeSync(master)
    if (slave !== undefined && slave >= 0) closeSync(slave)
    throw error
  }
}

/** A container may have put anything there: what is opened is within its root, and is a ptmx. */
function openPtmx(calls: Libc, root: string): number {
  const directory = openSync(root, O_PATH | constants.O_DIRECTORY)
  try {
    const how = Buffer.alloc(24)
    const flags = constants.O_RDWR | constants.O_NOCTTY | O_CLOEXEC
    how.writeBigUInt64LE(BigInt(flags), 0)
    how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), 16)
    const path = 'dev/pts/ptmx'
    const fd = calls.openat2(SYS_openat2, directory, path, how, how.length)
    check(calls, fd)
    if (fstatSync(fd).rdev === ptmxDevice) return fd
    closeSync(fd)
    throw new Error('/dev/pts/ptmx of the container is no pseudo-terminal')
  } finally {
    closeSync(directory)
  }
}

function check(calls: Libc, result: number): void {
  if (result < 0)
    throw new Error(`no pseudo-terminal in the container: ${calls.errno()}`)
}

async function loadCalls(): Promise<Libc> {
  const { koffi, libc } = await loadLibc().catch((cause: unknown) => {
    throw new Failure(
      'platform',
      'a terminal needs the npm package koffi, which is not installed or not for this machine',
      { fix: 'npm install koffi', cause },
    )
  })
  const names = Object.entries(koffi.os.errno)
  return {
    ioctlNumber: libc.func('ioctl', 'int', ['int', 'ulong', 'long']),
    ioctlBytes: libc.func('ioctl', 'int', ['int', 'ulong', 'void *']),
    openat2: libc.func('syscall', 'long', [
      'long',
      'int',
      'str',
      'void *',
      'size_t',
    ]),
    errno: () => {
      const number = koffi.errno()
      return names.find(([, value]) => value === number)?.[0] ?? String(number)
    },
  }
}
