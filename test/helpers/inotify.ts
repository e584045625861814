import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'

/*
 * Raw inotify. node:fs.watch folds the events together; what podfs promises is the exact
 * row of events that a kubelet's volume gives, so the tests read the kernel's own records.
 */

const libc = koffi.load('libc.so.6')
const inotifyInit1 = libc.func('int inotify_init1(int flags)')
const inotifyAddWatch = libc.func(
  'int inotify_add_watch(int fd, const char *path, uint32_t mask)',
)

/** <linux/inotify.h>, in the order in which a combined mask is printed. */
const bits = {
  ACCESS: 0x1,
  OPEN: 0x20,
  CREATE: 0x100,
  DELETE: 0x200,
  ATTRIB: 0x4,
  MODIFY: 0x2,
  CLOSE_WRITE: 0x8,
  CLOSE_NOWRITE: 0x10,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
  UNMOUNT: 0x2000,
  Q_OVERFLOW: 0x4000,
  IGNORED: 0x8000,
  ISDIR: 0x40000000,
} as const

/** The mask of docs/kubernetes.md#events-of-a-write: everything but reads. */
const changes =
  bits.CREATE |
  bits.DELETE |
  bits.ATTRIB |
  bits.MODIFY |
  bits.CLOSE_WRITE |
  bits.MOVED_FROM |
  bits.MOVED_TO |
  bits.DELETE_SELF |
  bits.MOVE_SELF

const IN_NONBLOCK = 0o4000
const IN_CLOEXEC = 0o2000000
const IN_DONT_FOLLOW = 0x02000000

export interface InotifyEvent {
  /** Such as `CREATE,ISDIR`. */
  readonly mask: string
  readonly name: string
  readonly cookie: number
  readonly watch: number
}

export class Inotify {
  readonly #fd: number
  readonly #buffer = Buffer.alloc(1 << 16)

  constructor() {
    this.#fd = inotifyInit1(IN_NONBLOCK | IN_CLOEXEC) as number
    if (this.#fd < 0) throw new Error(`inotify_init1: errno ${koffi.errno()}`)
  }

  /** Watches a path, following links unless told not to; returns the watch's number. */
  watch(path: string, options: { followLink?: boolean } = {}): number {
    lookFromOutside(path, options)
    const mask =
      options.followLink === false ? changes | IN_DONT_FOLLOW : changes
    const watch = inotifyAddWatch(this.#fd, path, mask) as number
    if (watch < 0)
      throw new Error(`inotify_add_watch ${path}: errno ${koffi.errno()}`)
    return watch
  }

  /** All events that the kernel has queued, oldest first. Never waits. */
  drain(): InotifyEvent[] {
    const events: InotifyEvent[] = []
    for (;;) {
      let length: number
      try {
        length = readSync(this.#fd, this.#buffer)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return events
        throw error
      }
      for (let at = 0; at < length;) {
        const nameLength = this.#buffer.readUInt32LE(at + 12)
        const mask = this.#buffer.readUInt32LE(at + 4)
        events.push({
          watch: this.#buffer.readInt32LE(at),
          mask: Object.entries(bits)
            .filter(([, bit]) => (mask & bit) !== 0)
            .map(([name]) => name)
            .join(),
          cookie: this.#buffer.readUInt32LE(at + 8),
          name: this.#buffer
            .toString('utf8', at + 16, at + 16 + nameLength)
            .replace(/\0+$/, ''),
        })
        at += 16 + nameLength
      }
    }
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** Of one swap of a volume whose keys stay the same, as `formatEvents` gives them. */
export const swapEvents: readonly string[] = [
  'CREATE,ISDIR ..ts1',
  'ATTRIB,ISDIR ..ts1',
  'CREATE ..data_tmp',
  'MOVED_FROM ..data_tmp',
  'MOVED_TO ..data',
  'DELETE,ISDIR ..ts2',
]

/**
 * Events as text, as docs/kubernetes.md#events-of-a-write has them: `CREATE,ISDIR ..ts2`. The
 * timestamped directories are renamed in the order in which they appear: `..ts1`, `..ts2`;
 * `timestamped` gives those that appeared before.
 */
export function formatEvents(
  events: readonly InotifyEvent[],
  timestamped: readonly string[] = [],
): string[] {
  const names = [...timestamped]
  return events.map(({ mask, name }) => {
    if (/^\.\.\d{4}_/.test(name)) {
      if (!names.includes(name)) names.push(name)
      name = `..ts${names.indexOf(name) + 1}`
    }
    return name === '' ? mask : `${mask} ${name}`
  })
}

/**
 * Real watchers and readers are other processes. The test's own is often podfs's daemon, whose
 * looks do not count for the file server (src/fuse/wire/fill.ts). Throws what stat(1) says.
 */
export function lookFromOutside(
  path: string,
  options: { followLink?: boolean } = {},
): void {
  const follow = options.followLink !== false
  const seen = path.replace('/proc/self/', `/proc/${process.pid}/`)
  onlooker ??= startOnlooker()
  if (!seen.includes('\n') && onlooker(`${follow ? '-e' : '-L'}\n${seen}\n`))
    return
  execFileSync('stat', [...(follow ? ['-L'] : []), seen], { stdio: 'pipe' })
}

let onlooker: ReturnType<typeof startOnlooker> | undefined

/**
 * One process for all looks: to start another one for each is most of what a test of some hundred
 * watches costs. Told how to look (-e, or -L: not through a link) and where, it says whether
 * something is there.
 */
function startOnlooker(): (how: string) => boolean {
  const directory = mkdtempSync(join(tmpdir(), 'podfs-onlooker-'))
  const [asked, answered] = ['asked', 'answered'].map(name => {
    const fifo = join(directory, name)
    execFileSync('mkfifo', [fifo])
    // Neither of the other two has to wait for its other end.
    const both = openSync(fifo, 'r+')
    const ends = { read: openSync(fifo, 'r'), write: openSync(fifo, 'w') }
    closeSync(both)
    return ends
  }) as [Ends, Ends]
  rmSync(directory, { recursive: true })
  const script = `while IFS= read -r how && IFS= read -r path; do
  if [ "$how" "$path" ] || [ -e "$path" ]; then echo y; else echo n; fi
done`
  const child = spawn('sh', ['-c', script], {
    stdio: [asked.read, answered.write, 'inherit'],
  })
  // It ends with this process, of which it reads.
  child.unref()
  closeSync(asked.read)
  closeSync(answered.write)
  const answer = Buffer.alloc(2)
  return how => {
    writeSync(asked.write, how)
    if (readSync(answered.read, answer) === 0)
      throw new Error('who looks from outside has ended')
    return answer.toString() === 'y\n'
  }
}

interface Ends {
  readonly read: number
  readonly write: number
}
