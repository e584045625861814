/**
 * What a backend must give, as claims: each looks for one fact on a real mount and says what
 * it found. The same claims go to all backends; test/mount/backends.test.ts holds `fuse` to
 * every one of them, and docs/backends.md is what the others were found to lack.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readSync } from 'node:fs'
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { MountError } from '../../src/linux/mount-error.ts'
import { mountsBelow } from '../../src/linux/mountinfo.ts'
import { unmountPath } from '../../src/linux/unmount-path.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { type Backend, type BackendName } from '../../src/volumes/backend.ts'
import { openBackend } from '../../src/volumes/open-backend.ts'
import {
  AtomicWriter,
  prepareVolumeRoot,
} from '../../src/writer/atomic-writer.ts'
import { inOtherProcess, spawnInForeignNamespace } from './fuse-mount.ts'
import { formatEvents, Inotify } from './inotify.ts'
import { mutatingCalls, withLibc } from './mutating-calls.ts'
import { checkVolumeContents, makePayload } from './volume-contents.ts'

/** A user who is neither root nor podfs. */
const stranger = 65534
/** Who may become a stranger nevertheless: test/helpers/examine-as-user.ts. */
const isOrdinaryUser = process.getuid?.() !== 0

export interface Place {
  readonly backend: Backend
  /** RUNTIME/ID. */
  readonly runtime: string
  /** A read-only bind of everything; an ordinary user's mount itself. */
  readonly publicPath: string
  readonly root: string
  close(): Promise<void>
}

export async function openPlace(
  name: BackendName,
  options: { allowOther?: boolean; answerOpens?: boolean } = {},
): Promise<Place> {
  const root = await mkdtemp(path.join(tmpdir(), 'podfs-backend-'))
  await chmod(root, 0o711)
  const runtime = path.join(root, 'runtime')
  const publicPath = path.join(root, 'public')
  await mkdir(runtime, { mode: 0o700 })
  await mkdir(publicPath)
  const backend = await openBackend(name, {
    directory: runtime,
    allowOther: true,
    answerOpens: false,
    lifetime: 'run',
    logger: silentLogger,
    shown: { subdirectory: '', target: publicPath },
    ...options,
  })
  await backend.bind('', publicPath)
  return {
    backend,
    runtime,
    publicPath,
    root,
    close: async () => {
      await backend.stop()
      // libfuse can leave something behind; nothing may be walked into by `rm`.
      for (const { mountpoint } of (await mountsBelow(root)).toReversed())
        await unmountPath(mountpoint, { lazy: true }).catch(() => {})
      await rm(root, { recursive: true, force: true })
    },
  }
}

/**
 * Why a backend does not work on this machine. On CI, which installs what they need, it must:
 * the error is thrown.
 */
export async function whatIsMissing(
  name: BackendName,
): Promise<string | undefined> {
  try {
    await (await openPlace(name)).close()
    return undefined
  } catch (error) {
    if (
      !(error instanceof MountError) ||
      process.env['PODFS_TEST_NO_SKIP'] === '1'
    )
      throw error
    return `the backend ${name} does not work here: ${error.message}`
  }
}

export interface Claim {
  readonly section: 'Files' | 'Events' | 'Atomicity' | 'Who may read' | 'Ends'
  readonly what: string
  readonly wanted: string
  find(place: Place, directory: string, shown: string): Promise<string>
}

export interface Found {
  readonly claims: ReadonlyMap<string, string>
  /** Errno by call, `root` (or who runs podfs) and another user. */
  readonly onBind: CallResults
  readonly withoutBind: CallResults
}
export type CallResults = Readonly<
  Record<string, { readonly root: string; readonly other: string }>
>

/** Goes through everything. Throws a MountError when the backend does not work here. */
export async function examineBackend(name: BackendName): Promise<Found> {
  const found = new Map<string, string>()
  const place = await openPlace(name)
  try {
    for (const [at, claim] of claims.entries()) {
      const directory = path.join(place.backend.directory, `claim-${at}`)
      await mkdir(directory)
      const shown = path.join(place.publicPath, `claim-${at}`)
      found.set(
        claim.what,
        await claim.find(place, directory, shown).catch(errorText),
      )
    }
    const onBind = await callsAt(place, place.publicPath)
    if (isOrdinaryUser) return { claims: found, onBind, withoutBind: onBind }
    const bare = await openPlace(name, { answerOpens: true })
    try {
      // The mount itself is in question here, not the directory that hides it.
      await chmod(bare.runtime, 0o711)
      const withoutBind = await callsAt(bare, path.join(bare.runtime, 'rw'))
      return { claims: found, onBind, withoutBind }
    } finally {
      await bare.close()
    }
  } finally {
    await place.close()
  }
}

async function callsAt(place: Place, seen: string): Promise<CallResults> {
  const results: Record<string, { root: string; other: string }> = {}
  for (const who of ['root', 'other'] as const) {
    const base = path.join(place.backend.directory, `calls-${who}`)
    await makeTargets(base)
    const found = (await inOtherProcess(
      `${who === 'other' ? becomeStranger : ''}${withLibc}
       print(${JSON.stringify(Object.values(mutatingCalls))}.map((code, at) => {
         const D = process.env.P + '/' + at
         return errno(() => eval(code))
       }))`,
      { P: path.join(seen, `calls-${who}`) },
    )) as string[]
    Object.keys(mutatingCalls).forEach((call, at) => {
      results[call] ??= { root: '', other: '' }
      results[call][who] = found[at] ?? ''
    })
  }
  return results
}

const becomeStranger = `process.chdir('/'); process.setgroups([]); process.setgid(${stranger}); process.setuid(${stranger});`

/** For each call a directory of its own, in which no mode stands in anybody's way. */
async function makeTargets(base: string): Promise<void> {
  await mkdir(base)
  await Promise.all(
    Object.keys(mutatingCalls).map(async (_, at) => {
      const directory = path.join(base, String(at))
      await mkdir(directory)
      await mkdir(path.join(directory, 'empty'))
      for (const name of ['file', 'source'])
        await writeFile(path.join(directory, name), 'content')
      await symlink('file', path.join(directory, 'link'))
      for (const [name, mode] of [
        ['file', 0o666],
        ['source', 0o666],
        ['empty', 0o777],
        ['', 0o777],
      ] as const)
        await chmod(path.join(directory, name), mode)
    }),
  )
}

function errorText(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message.split('\n')[0] ?? ''
}

/** Reads as another user; `OK` or the error. */
async function readAs(uid: number, files: readonly string[]): Promise<string> {
  const results = (await inOtherProcess(
    `${uid === 0 ? '' : becomeStranger}
     print(JSON.parse(process.env.FILES).map(file => errno(() => fs.readFileSync(file))))`,
    { FILES: JSON.stringify(files) },
  )) as string[]
  return results.join(', ')
}

async function writeTwice(
  directory: string,
  between: () => unknown = () => {},
): Promise<void> {
  const writer = new AtomicWriter(directory)
  await writer.write(makePayload({ a: 'old', b: 'same', gone: 'x' }))
  await between()
  await writer.write(makePayload({ a: 'new', b: 'same' }))
}

async function eventsOf(
  shown: string,
  directory: string,
  watch: (inotify: Inotify) => unknown,
): Promise<string> {
  const inotify = new Inotify()
  try {
    let before: string[] = []
    await writeTwice(directory, async () => {
      before = [await readlink(path.join(shown, '..data'))]
      await watch(inotify)
    })
    return formatEvents(inotify.drain(), before).join('; ')
  } finally {
    inotify.close()
  }
}

export const claims: readonly Claim[] = [
  {
    section: 'Files',
    what: "a volume's layout, bytes and modes",
    wanted: 'as a kubelet writes it',
    find: async (_, directory, shown) => {
      const payload = makePayload({
        a: '1',
        'd/e/x': { data: '2', mode: 0o400 },
        script: { data: '#!/bin/sh', mode: 0o755 },
        // Nobody but root reads it.
        none: { data: '', mode: isOrdinaryUser ? 0o400 : 0 },
        'ünï 日本': 'u',
        ['n'.repeat(255)]: 'l',
        big: 'x'.repeat(1 << 20),
      })
      await new AtomicWriter(directory).write(payload)
      await checkVolumeContents(shown, payload)
      return 'as a kubelet writes it'
    },
  },
  {
    section: 'Files',
    what: 'owner of a file (fsUser), group of a volume (fsGroup), setgid directories',
    wanted: 'as a kubelet writes it',
    find: async (_, directory, shown) => {
      const payload = makePayload({
        token: { data: 't', mode: 0o600, fsUser: 1000 },
        'd/a': '1',
      })
      await prepareVolumeRoot(directory, { fsGroup: 2000 })
      await new AtomicWriter(directory).write(payload, { fsGroup: 2000 })
      if (isOrdinaryUser) {
        const { uid, gid } = await stat(path.join(shown, 'token'))
        const isOwn = uid === process.getuid?.() && gid === process.getgid?.()
        return isOwn ? "the user's own" : `${uid}, ${gid}`
      }
      await checkVolumeContents(shown, payload, { fsGroup: 2000 })
      return 'as a kubelet writes it'
    },
  },
  {
    section: 'Files',
    what: 'a new entry of a setgid directory takes its group',
    wanted: 'yes',
    find: async (_, directory) => {
      await chown(directory, 0, 1234)
      await chmod(directory, 0o2775)
      await writeFile(path.join(directory, 'f'), '')
      const { gid } = await stat(path.join(directory, 'f'))
      return gid === 1234 ? 'yes' : 'no'
    },
  },
  {
    section: 'Files',
    what: 'names that are not UTF-8',
    wanted: 'kept, byte for byte',
    find: async (_, directory, shown) => {
      const name = Buffer.from([0x66, 0xff, 0xc3, 0xbc])
      const file = Buffer.concat([Buffer.from(`${directory}/`), name])
      await writeFile(file, 'x')
      const names = await readdir(shown, { encoding: 'buffer' })
      return names[0]?.equals(name) === true
        ? 'kept, byte for byte'
        : 'kept as other bytes'
    },
  },
  {
    section: 'Files',
    what: 'a name of 256 bytes',
    wanted: 'ENAMETOOLONG',
    find: async (_, directory) => {
      await writeFile(path.join(directory, 'n'.repeat(256)), '')
      return 'OK'
    },
  },
  {
    section: 'Files',
    what: 'times can be set (utimensat)',
    wanted: 'both, each its own',
    find: async (_, directory, shown) => {
      await writeFile(path.join(directory, 'f'), '')
      await utimes(path.join(directory, 'f'), 1, 2)
      const { atimeMs, mtimeMs } = await stat(path.join(shown, 'f'))
      if (atimeMs === 1000 && mtimeMs === 2000) return 'both, each its own'
      return `mtime becomes ${mtimeMs === atimeMs ? 'atime' : mtimeMs}`
    },
  },
  {
    section: 'Files',
    what: 'times are finer than a millisecond',
    wanted: 'yes',
    find: async (_, directory, shown) => {
      for (let at = 0; at < 20; at++) {
        await writeFile(path.join(directory, `f${at}`), '')
        const { mtimeNs } = await stat(path.join(shown, `f${at}`), {
          bigint: true,
        })
        if (mtimeNs % 1_000_000n !== 0n) return 'yes'
      }
      return 'no'
    },
  },
  {
    section: 'Files',
    what: 'errors of a lookup, a link that is none, a file as a directory',
    wanted: 'ENOENT, EINVAL, ENOTDIR',
    find: async (_, directory, shown) => {
      await writeFile(path.join(directory, 'f'), '')
      const failures = await Promise.all(
        [
          readFile(path.join(shown, 'no')),
          readlink(path.join(shown, 'f')),
          readFile(path.join(shown, 'f/x')),
        ].map(call => (call as Promise<unknown>).then(() => 'OK', errorText)),
      )
      return failures.join(', ')
    },
  },
  {
    section: 'Events',
    what: 'a watch on the volume, one key changed and one removed',
    wanted:
      'CREATE,ISDIR ..ts2; ATTRIB,ISDIR ..ts2; CREATE ..data_tmp; MOVED_FROM ..data_tmp; MOVED_TO ..data; DELETE gone; DELETE,ISDIR ..ts1',
    find: async (_, directory, shown) =>
      eventsOf(shown, directory, inotify => inotify.watch(shown)),
  },
  {
    section: 'Events',
    what: 'a watch on a key, followed to its file',
    wanted: 'ATTRIB; DELETE_SELF; IGNORED',
    find: async (_, directory, shown) =>
      eventsOf(shown, directory, inotify =>
        inotify.watch(path.join(shown, 'a')),
      ),
  },
  {
    section: 'Events',
    what: 'the same while somebody has the file open',
    wanted: 'ATTRIB; (closed); DELETE_SELF; IGNORED',
    find: async (_, directory, shown) => {
      const inotify = new Inotify()
      let fd = -1
      try {
        await writeTwice(directory, () => {
          inotify.watch(path.join(shown, 'a'))
          fd = openSync(path.join(shown, 'a'), 'r')
        })
        const first = formatEvents(inotify.drain())
        closeSync(fd)
        return [...first, '(closed)', ...formatEvents(inotify.drain())].join(
          '; ',
        )
      } finally {
        inotify.close()
      }
    },
  },
  {
    section: 'Events',
    what: 'a watch on the link ..data itself',
    wanted: 'ATTRIB; DELETE_SELF; IGNORED',
    find: async (_, directory, shown) =>
      eventsOf(shown, directory, inotify =>
        inotify.watch(path.join(shown, '..data'), { followLink: false }),
      ),
  },
  {
    section: 'Atomicity',
    what: '200 swaps under 4 readers: torn sets, errors',
    wanted: '0, 0',
    find: async (_, directory, shown) => swapUnderReaders(directory, shown),
  },
  {
    section: 'Atomicity',
    what: 'a file that is open and was read keeps its bytes after a swap',
    wanted: 'yes',
    find: async (_, directory, shown) => readAfterSwap(directory, shown, true),
  },
  {
    section: 'Atomicity',
    what: 'a file that is open and was not yet read keeps its bytes',
    wanted: 'yes',
    find: async (_, directory, shown) => readAfterSwap(directory, shown, false),
  },
  {
    section: 'Atomicity',
    what: 'fstat of an open file after a swap',
    wanted: 'OK',
    find: async (_, directory, shown) => {
      let fd = -1
      await writeTwice(directory, () => {
        fd = openSync(path.join(shown, 'a'), 'r')
      })
      try {
        await stat(`/proc/self/fd/${fd}`)
        return 'OK'
      } finally {
        closeSync(fd)
      }
    },
  },
  {
    section: 'Atomicity',
    what: 'a writer that starts anew finds and keeps the last generation',
    wanted: 'no new generation, no event',
    find: async (_, directory, shown) => {
      const payload = makePayload({ a: '1', 'd/x': '2' })
      await new AtomicWriter(directory).write(payload)
      const inotify = new Inotify()
      try {
        inotify.watch(shown)
        const changed = await new AtomicWriter(directory).write(payload)
        const events = formatEvents(inotify.drain())
        return changed || events.length > 0
          ? `${events.length} events`
          : 'no new generation, no event'
      } finally {
        inotify.close()
      }
    },
  },
  {
    section: 'Who may read',
    what: '--allow-other: another user reads mode 0644, then 0600',
    wanted: 'OK, EACCES',
    find: async (_, directory, shown) => {
      await writeModes(directory)
      return readAs(stranger, [
        path.join(shown, 'public'),
        path.join(shown, 'secret'),
      ])
    },
  },
  {
    section: 'Who may read',
    what: 'without --allow-other: another user reads mode 0644; root does',
    wanted: 'EACCES; OK',
    find: async ({ backend }) => {
      const place = await openPlace(backend.name, { allowOther: false })
      try {
        // As `podfs mount` shows one volume: its own root, with the mode the backend asks for.
        const volume = path.join(place.backend.directory, 'volume')
        await mkdir(volume)
        await prepareVolumeRoot(volume, {}, place.backend.volumeRootMode)
        await writeModes(volume)
        const shown = path.join(
          isOrdinaryUser ? place.publicPath : place.root,
          'volume',
        )
        if (!isOrdinaryUser) {
          await mkdir(shown)
          await place.backend.bind('volume', shown)
        }
        const files = [path.join(shown, 'public')]
        return `${await readAs(stranger, files)}; ${await readAs(0, files)}`
      } finally {
        await place.close()
      }
    },
  },
  {
    section: 'Who may read',
    what: "mode of a volume's root without --allow-other",
    wanted: '1777, as on a node',
    find: async ({ backend }) => {
      const place = await openPlace(backend.name, { allowOther: false })
      try {
        const mode = place.backend.volumeRootMode ?? 0o1777
        return mode === 0o1777 ? '1777, as on a node' : mode.toString(8)
      } finally {
        await place.close()
      }
    },
  },
  {
    section: 'Ends',
    what: 'kill -9 of the file server: what nobody has read yet',
    wanted: 'is read all the same',
    find: async ({ backend }) => {
      const place = await openPlace(backend.name)
      try {
        await writeFile(path.join(place.backend.directory, 'key'), 'x')
        const servers = await serversOf(place.runtime)
        for (const pid of servers) process.kill(pid, 'SIGKILL')
        const key = path.join(place.publicPath, 'key')
        const read = (await inOtherProcess(
          `setTimeout(() => print(errno(() => fs.readFileSync(process.env.KEY))), 100)`,
          { KEY: key },
        )) as string
        if (read !== 'OK') return 'an error: the mount is lost, podfs ends'
        return 'is read all the same'
      } finally {
        await place.close()
      }
    },
  },
  {
    section: 'Ends',
    what: 'after the end, a copy of the mount in another namespace',
    wanted: 'shows nothing',
    find: async ({ backend }) => {
      const place = await openPlace(backend.name)
      await writeFile(path.join(place.backend.directory, 'key'), 'S3CRET')
      const child = spawnInForeignNamespace(
        `cd ${place.root}; cat public/key >/dev/null; echo; read go; cat public/key 2>&1; echo`,
      )
      try {
        await once(child.stdout as NodeJS.ReadableStream, 'data')
        await place.backend.stop()
        child.stdin?.write('go\n')
        const said = await text(child.stdout as NodeJS.ReadableStream)
        return said.includes('S3CRET')
          ? 'shows what the kernel has cached'
          : 'shows nothing'
      } finally {
        child.kill('SIGKILL')
        await place.close()
      }
    },
  },
  {
    section: 'Ends',
    what: 'an end leaves mounts, processes, directories',
    wanted: '0, 0, 0',
    find: async ({ backend }) => {
      const place = await openPlace(backend.name)
      const servers = await serversOf(place.runtime)
      await place.backend.stop()
      const mounts = await mountsBelow(place.root)
      const alive = (await serversOf(place.runtime)).filter(pid =>
        servers.includes(pid),
      )
      const left = await lstat(place.runtime).then(
        () => 1,
        () => 0,
      )
      await place.close()
      return `${mounts.length}, ${alive.length}, ${left}`
    },
  },
]

async function writeModes(directory: string): Promise<void> {
  await writeFile(path.join(directory, 'public'), 'p', { mode: 0o644 })
  await writeFile(path.join(directory, 'secret'), 's', { mode: 0o600 })
}

async function readAfterSwap(
  directory: string,
  shown: string,
  readBefore: boolean,
): Promise<string> {
  let fd = -1
  const read = (): string => {
    const buffer = Buffer.alloc(10)
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, 10, 0))
  }
  await writeTwice(directory, () => {
    fd = openSync(path.join(shown, 'a'), 'r')
    if (readBefore) read()
  })
  try {
    const bytes = read()
    return bytes === 'old' ? 'yes' : `no: ${JSON.stringify(bytes)}`
  } finally {
    closeSync(fd)
  }
}

async function swapUnderReaders(
  directory: string,
  shown: string,
): Promise<string> {
  const keys = 5
  const writer = new AtomicWriter(directory)
  const publish = (generation: number): Promise<boolean> =>
    writer.write(
      makePayload(
        Object.fromEntries(
          Array.from({ length: keys }, (_, key) => [
            `key-${key}`,
            `generation ${generation}`,
          ]),
        ),
      ),
    )
  await publish(0)
  const readers = Array.from({ length: 4 }, () =>
    // They read without a pause: as important as the writer, they would hold it up.
    spawn('nice', [
      process.execPath,
      'test/fixtures/pinning-reader.mjs',
      shown,
      String(keys),
    ]),
  )
  try {
    await Promise.all(readers.map(({ stdout }) => once(stdout, 'data')))
    const results = readers.map(({ stdout }) => text(stdout))
    for (let generation = 1; generation <= 200; generation++)
      await publish(generation)
    for (const { stdin } of readers) stdin.end()
    let torn = 0
    const errors: string[] = []
    for (const result of results) {
      const seen = JSON.parse(await result) as {
        torn: number
        errors: string[]
      }
      torn += seen.torn
      errors.push(...seen.errors)
    }
    // How many is chance.
    return errors.length === 0
      ? `${torn}, 0`
      : `${torn}, some (${errors[0]?.split(' ')[0]} while ..data is replaced)`
  } finally {
    for (const reader of readers) reader.kill('SIGKILL')
  }
}

/** The file servers of a run-time directory; none for a tmpfs. */
async function serversOf(runtime: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const servers = await Promise.all(
    pids.map(async pid => {
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(
        () => '',
      )
      // Not the keeper: it has the same words among its arguments.
      const [, script, directory] = words.split('\0')
      return script?.endsWith('server.cjs') === true &&
        directory?.startsWith(runtime) === true
        ? Number(pid)
        : undefined
    }),
  )
  return servers.filter(pid => pid !== undefined)
}
