import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
  watch,
  writeSync,
} from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/*
 * c/client.c in Node, for a machine without a compiler: the same arguments and the same
 * output. A call costs about 2 µs more than in C, so ratios come out too near to 1. Node has
 * no mmap.
 */

const buffer = Buffer.alloc(1 << 16)
let opened = -1

const calls: Readonly<Record<string, (path: string) => unknown>> = {
  read,
  cold: read,
  stat: path => statSync(path),
  readlink: path => readlinkSync(path),
  readdir: path => readdirSync(path),
  pread: () => readSync(opened, buffer, 0, buffer.length, 0),
}

function read(path: string): number {
  const fd = openSync(path, 'r')
  try {
    return readSync(fd, buffer, 0, buffer.length, null)
  } finally {
    closeSync(fd)
  }
}

function measure(name: string, count: number, paths: readonly string[]): void {
  const call = calls[name]
  const [first = ''] = paths
  if (call === undefined) throw new Error(`Node cannot measure ${name}`)
  if (name === 'pread') {
    opened = openSync(first, 'r')
    fstatSync(opened)
  }
  if (name !== 'cold') for (let i = 0; i <= count / 10; i++) call(first)
  const times = new Uint32Array(count * paths.length)
  for (let i = 0; i < times.length; i++) {
    const path = paths[i % paths.length] as string
    const start = process.hrtime.bigint()
    call(path)
    times[i] = Number(process.hrtime.bigint() - start)
  }
  const bytes = Buffer.from(times.buffer)
  for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at)
}

function tell(what: string | bigint): void {
  writeSync(1, `${what}\n`)
}

async function awaitText(
  text: string,
  paths: readonly string[],
): Promise<void> {
  tell('ready')
  for (const path of paths)
    for (;;) {
      try {
        const length = read(path)
        if (buffer.toString('utf8', 0, length).startsWith(text)) break
      } catch {
        // Not there yet.
      }
      await delay(1)
    }
  tell(process.hrtime.bigint())
}

export async function runNodeClient(argv: readonly string[]): Promise<void> {
  const [command = '', first = '', ...paths] = argv
  if (command === 'watch') {
    watch(first, (_, name) => {
      if (name === '..data') tell(process.hrtime.bigint())
    })
    tell('ready')
  } else if (command === 'await') await awaitText(first, paths)
  else measure(command, Number(first), paths)
}
