/*
 * What it takes to be handed a descriptor by another program (unix(7), SCM_RIGHTS) and to become
 * a program that inherits it. Node has no call for either, and its own IPC channel aborts on a
 * descriptor of a character device; koffi calls them in this process, without a compiler.
 */
import { loadLibc } from './libc.ts'

export interface DescriptorCalls {
  /** The two ends of a socket (socketpair(2)); a child gets one only if it is given it. */
  socketPair(): readonly [number, number]
  /** The descriptor that has arrived, or undefined. Does not wait. */
  receive(socket: number): number | undefined
  /**
   * Becomes another program (execv(3)) that has 0, 1, 2 and `files`: which number it finds which
   * of this process's descriptors under. Throws when it cannot; else it does not return.
   */
  become(
    program: string,
    argv: readonly string[],
    files: ReadonlyMap<number, number>,
  ): never
}

/** sys/socket.h: the same on all machines for which there is a koffi. */
const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const MSG_DONTWAIT = 0x40
const MSG_CMSG_CLOEXEC = 0x40000000
const F_SETFD = 2
/** cmsg(3): length, level and type of a control message, then what it brings. */
const CMSG_LEVEL_AT = 8
const CMSG_TYPE_AT = 12
const CMSG_DATA_AT = 16
const CMSG_SPACE_OF_ONE = 24

/** Rejects when koffi is not installed, or not for this machine. */
export async function loadDescriptorCalls(): Promise<DescriptorCalls> {
  const { koffi, libc } = await loadLibc()
  const iovec = koffi.struct({ base: 'void *', length: 'size_t' })
  // Where musl has an int and padding, little-endian machines read the same.
  const msghdr = koffi.struct({
    name: 'void *',
    nameLength: 'uint32',
    iov: koffi.pointer(iovec),
    iovLength: 'size_t',
    control: 'void *',
    controlLength: 'size_t',
    flags: 'int',
  })
  const socketpair = libc.func('socketpair', 'int', [
    'int',
    'int',
    'int',
    'void *',
  ])
  const recvmsg = libc.func('recvmsg', 'long', [
    'int',
    koffi.pointer(msghdr),
    'int',
  ])
  const dup2 = libc.func('dup2', 'int', ['int', 'int'])
  const fcntl = libc.func('fcntl', 'int', ['int', 'int', 'long'])
  const execv = libc.func('execv', 'int', ['str', 'char **'])
  const failed = (call: string): Error =>
    new Error(`${call}: errno ${koffi.errno()}`)
  return {
    socketPair: () => {
      const pair = Buffer.alloc(8)
      const type = SOCK_STREAM | SOCK_CLOEXEC
      if (socketpair(AF_UNIX, type, 0, pair) !== 0) throw failed('socketpair')
      return [pair.readInt32LE(0), pair.readInt32LE(4)]
    },
    receive: socket => {
      const control = Buffer.alloc(CMSG_SPACE_OF_ONE)
      const message = {
        name: null,
        nameLength: 0,
        iov: [{ base: Buffer.alloc(1), length: 1 }],
        iovLength: 1,
        control,
        controlLength: control.length,
        flags: 0,
      }
      const flags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC
      if (recvmsg(socket, message, flags) <= 0) return undefined
      return control.readInt32LE(CMSG_LEVEL_AT) === SOL_SOCKET &&
        control.readInt32LE(CMSG_TYPE_AT) === SCM_RIGHTS
        ? control.readInt32LE(CMSG_DATA_AT)
        : undefined
    },
    become: (program, argv, files) => {
      for (const [number, file] of files) {
        if (file !== number && dup2(file, number) < 0) throw failed('dup2')
        // Node has closed to its children what it has inherited.
        if (fcntl(number, F_SETFD, 0) < 0) throw failed('fcntl')
      }
      for (const number of [0, 1, 2]) fcntl(number, F_SETFD, 0)
      execv(program, [...argv, null])
      throw failed(`cannot start ${program}`)
    },
  }
}
