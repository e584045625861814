import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { crc32 } from '../../src/fuse/wire/crc32.ts'
import type { Dispatcher } from '../../src/fuse/server/dispatch.ts'
import { Journal } from '../../src/fuse/server/journal.ts'
import { type JournalFiles } from '../../src/fuse/keeper/descriptors.ts'
import { Tree } from '../../src/fuse/server/tree.ts'
import { type ServerState } from '../../src/fuse/server/snapshot.ts'
import { replayJournal } from '../../src/fuse/server/replay-journal.ts'
import {
  DAEMON_TID,
  KeepingDispatcher,
  makeBody,
  makeRequest,
  makeWriteBody,
  nodeIdOf,
} from '../helpers/fuse-requests.ts'

let time = 100

/** Two new journals, and a server that writes into them. */
function makeFiles(t: Test): JournalFiles {
  const directory = t.testdir({})
  const files = ['a', 'b'].map(name => {
    const path = join(directory, name)
    const fd = openSync(path, 'w+')
    unlinkSync(path)
    t.teardown(() => closeSync(fd))
    return fd
  }) as unknown as JournalFiles
  Journal.create(files, Tree.empty({ uid: 3, gid: 4 }, { sec: 1, nsec: 0 }))
  return files
}

function startServer(
  files: JournalFiles,
  write?: typeof writeSync,
): { dispatcher: Dispatcher; journal: Journal; log: string[] } {
  const { journal, contents } = Journal.open(files, write)
  const log: string[] = []
  const dispatcher = new KeepingDispatcher(
    replayJournal(contents),
    {
      answerOpens: false,
      isDaemonThread: tid => tid === DAEMON_TID,
      isStopping: () => false,
      now: () => ({ sec: time++, nsec: 0 }),
      log: message => log.push(message),
    },
    {
      append: (time, request, reply) => journal.append(time, request, reply),
      appendDrop: id => journal.appendDrop(id),
      reload: () => replayJournal(Journal.read(files)),
    },
  )
  return { dispatcher, journal, log }
}

/** What the writer does for a key: enough to have every kind of change. */
function publish(dispatcher: Dispatcher, round: number): void {
  const run = (...args: Parameters<typeof makeRequest>): Buffer | undefined =>
    dispatcher.dispatch(makeRequest(...args))
  const dir = nodeIdOf(run('MKDIR', 1, makeBody([0o755, 0], `..ts${round}`)))
  const file = nodeIdOf(run('MKNOD', dir, makeBody([0o100600, 0, 0, 0], 'key')))
  run('WRITE', file, makeWriteBody(0, `value ${round}`))
  const mode = Buffer.alloc(88)
  mode.writeUInt32LE(1, 0)
  mode.writeUInt32LE(0o640, 68)
  run('SETATTR', file, mode)
  run('SYMLINK', 1, makeBody([], '..data_tmp', `..ts${round}`))
  run('RENAME', 1, makeBody([1, 0], '..data_tmp', '..data'))
  if (round === 0) return
  const old = dispatcher.tree.lookup(1, `..ts${round - 1}`)
  const oldFile = old && dispatcher.tree.lookup(old.id, 'key')
  run('UNLINK', old?.id ?? 0, makeBody([], 'key'))
  run('RMDIR', 1, makeBody([], `..ts${round - 1}`))
  run('FORGET', oldFile?.id ?? 0, makeBody([9, 0]))
}

function comparable(state: ServerState): unknown {
  return JSON.parse(
    JSON.stringify({
      ...state,
      nodes: [...state.nodes.values()].map(node => ({
        ...node,
        data: node.data.toString('hex'),
        children: node.children && [...node.children],
      })),
      recent: state.recent.map(({ unique, reply }) => [
        unique,
        reply.toString('hex'),
      ]),
    }),
  )
}

t.test('a new journal has an empty tree with its owner', async t => {
  const files = makeFiles(t)
  const { dispatcher } = startServer(files)
  t.equal(dispatcher.tree.nodes.size, 1)
  t.match(dispatcher.tree.get(1), { uid: 3, gid: 4, mode: 0o40755 })
})

t.test('a successor has the same tree: nodes, times, cookies', async t => {
  const files = makeFiles(t)
  const { dispatcher } = startServer(files)
  for (let round = 0; round < 10; round++) publish(dispatcher, round)
  const after = startServer(files).dispatcher
  t.strictSame(comparable(after.state), comparable(dispatcher.state))
  publish(dispatcher, 10)
  t.strictSame(
    comparable(replayJournal(Journal.read(files))),
    comparable(dispatcher.state),
    'a reader beside the server too',
  )
})

t.test('a node that the kernel forgot is not revived', async t => {
  const files = makeFiles(t)
  const { dispatcher } = startServer(files)
  for (let round = 0; round < 3; round++) publish(dispatcher, round)
  const unlinked = [
    ...startServer(files).dispatcher.tree.nodes.values(),
  ].filter(node => node.nlink === 0)
  // The old links and directories: nothing told the server to forget them.
  t.strictSame(
    unlinked.filter(node => (node.mode & 0o170000) === 0o100000),
    [],
  )
})

t.test('a change from before the death is not done again', async t => {
  const files = makeFiles(t)
  const { dispatcher } = startServer(files)
  const body = makeBody([0o755, 0], 'd')
  const first = dispatcher.dispatch(
    makeRequest('MKDIR', 1, body, { unique: 500 }),
  )
  const second = startServer(files).dispatcher
  const resent = makeRequest('MKDIR', 1, body, { unique: 500, resent: true })
  t.equal(nodeIdOf(second.dispatch(resent)), nodeIdOf(first))
  t.equal(second.tree.nextId, dispatcher.tree.nextId)
})

t.test('dedup survives compaction', async t => {
  const files = makeFiles(t)
  const { dispatcher, journal } = startServer(files)
  const body = makeBody([0o755, 0], 'd')
  const first = dispatcher.dispatch(
    makeRequest('MKDIR', 1, body, { unique: 500 }),
  )
  journal.compact(dispatcher.state)
  const second = startServer(files).dispatcher
  const resent = makeRequest('MKDIR', 1, body, { unique: 500, resent: true })
  t.equal(nodeIdOf(second.dispatch(resent)), nodeIdOf(first))
})

t.test(
  'replay stops at the last whole record, and cuts what follows',
  async t => {
    const files = makeFiles(t)
    const { dispatcher } = startServer(files)
    const ends: { size: number; state: unknown }[] = []
    for (const name of ['a', 'b', 'c', 'd']) {
      ends.push({
        size: fstatSync(files[0]).size,
        state: comparable(dispatcher.state),
      })
      dispatcher.dispatch(makeRequest('MKDIR', 1, makeBody([0o755, 0], name)))
    }
    const bytes = Buffer.alloc(fstatSync(files[0]).size)
    readSync(files[0], bytes, 0, bytes.length, 0)
    const from = ends[0]?.size ?? 0
    for (let at = from; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes)
      flipped.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 8)), at)
      const last = ends.findLast(({ size }) => size <= at)
      for (const damaged of [bytes.subarray(0, at), flipped]) {
        ftruncateSync(files[0], 0)
        writeSync(files[0], damaged, 0, damaged.length, 0)
        const { dispatcher } = startServer(files)
        t.strictSame(comparable(dispatcher.state), last?.state, `byte ${at}`)
        t.equal(fstatSync(files[0]).size, last?.size)
      }
    }
  },
)

t.test('compacts when there is more than the snapshot to it', async t => {
  const files = makeFiles(t)
  const { dispatcher, journal } = startServer(files)
  let compactions = 0
  for (let round = 0; round < 600; round++) {
    publish(dispatcher, round)
    if (!journal.wantsCompaction) continue
    journal.compact(dispatcher.state)
    compactions++
    t.notOk(journal.wantsCompaction)
    t.equal(Math.min(...files.map(fd => fstatSync(fd).size)), 128)
  }
  t.ok(compactions >= 2, `${compactions}`)
  t.strictSame(
    comparable(startServer(files).dispatcher.state),
    comparable(dispatcher.state),
  )
})

/** writeSync that writes at most `room` more bytes, then ENOSPC, as a full tmpfs does. */
function fullAfter(room: number): { write: typeof writeSync; lift(): void } {
  let left = room
  const write = ((
    fd: number,
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
  ) => {
    if (left <= 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    const count = Math.min(left, length)
    left -= count
    return writeSync(fd, buffer, offset, count, position)
  }) as typeof writeSync
  return {
    write,
    lift: () => {
      left = Infinity
    },
  }
}

t.test('a compaction without room leaves the old file in use', async t => {
  const files = makeFiles(t)
  publish(startServer(files).dispatcher, 0)
  // Opening voids 40 bytes, so does the compaction: then the snapshot, in part.
  for (const room of [80, 81, 500, 1500]) {
    const disk = fullAfter(room)
    const { dispatcher, journal } = startServer(files, disk.write)
    const before = comparable(dispatcher.state)
    t.throws(() => journal.compact(dispatcher.state), /ENOSPC/)
    disk.lift()
    t.strictSame(comparable(startServer(files).dispatcher.state), before)
    dispatcher.dispatch(
      makeRequest('MKDIR', 1, makeBody([0o755, 0], `after-${room}`)),
    )
    t.ok(startServer(files).dispatcher.tree.lookup(1, `after-${room}`))
  }
})

t.test('a change without room is refused and leaves nothing', async t => {
  const files = makeFiles(t)
  const disk = fullAfter(40 + 30)
  const { dispatcher, log } = startServer(files, disk.write)
  const reply = dispatcher.dispatch(
    makeRequest('MKDIR', 1, makeBody([0o755, 0], 'd')),
  )
  t.equal(reply?.readInt32LE(4), -28)
  t.equal(log.length, 1)
  disk.lift()
  dispatcher.dispatch(makeRequest('MKDIR', 1, makeBody([0o755, 0], 'e')))
  const after = startServer(files).dispatcher
  t.strictSame([...(after.tree.get(1).children?.keys() ?? [])], ['e'])
})

t.test('a death at any point of a compaction loses nothing', async t => {
  const files = makeFiles(t)
  publish(startServer(files).dispatcher, 0)
  publish(startServer(files).dispatcher, 1)
  for (let deadAt = 0; ; deadAt++) {
    let writes = 0
    const dying = ((...args: Parameters<typeof writeSync>) => {
      if (writes++ === deadAt) throw new Error('killed')
      return writeSync(...args)
    }) as typeof writeSync
    let before: unknown
    let died = true
    try {
      const { dispatcher, journal } = startServer(files, dying)
      before = comparable(dispatcher.state)
      journal.compact(dispatcher.state)
      died = false
    } catch {
      // As if killed: what it did until then is there, nothing else.
    }
    const after = comparable(startServer(files).dispatcher.state)
    if (before !== undefined) t.strictSame(after, before, `at write ${deadAt}`)
    if (!died) break
    t.ok(deadAt < 10)
  }
})

t.test('a generation without its snapshot is fatal', async t => {
  const files = makeFiles(t)
  ftruncateSync(files[0], 130)
  t.throws(() => Journal.open(files), /no valid generation/)
})

t.test('a replay with another result is fatal', async t => {
  const files = makeFiles(t)
  const { journal } = startServer(files)
  const request = makeRequest('RMDIR', 1, makeBody([], 'never-was'))
  journal.append({ sec: 1, nsec: 0 }, request, Buffer.alloc(16))
  t.throws(() => startServer(files))
})

t.test('says whether it is of this version', async t => {
  const files = makeFiles(t)
  t.ok(Journal.isReadable(files))
  const header = Buffer.alloc(40)
  readSync(files[0], header, 0, header.length, 0)
  header.writeUInt32LE(header.readUInt32LE(4) + 1, 4)
  header.writeUInt32LE(crc32(header.subarray(0, 32)), 32)
  writeSync(files[0], header, 0, header.length, 0)
  t.notOk(Journal.isReadable(files))
})
