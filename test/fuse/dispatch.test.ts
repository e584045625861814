import * as fc from 'fast-check'
import t from 'tap'
import * as errno from '../../src/fuse/wire/errno.ts'
import {
  type OperationName,
  operations,
} from '../../src/fuse/wire/operations.ts'
import * as wire from '../../src/fuse/wire/protocol.ts'
import {
  decodeReply,
  makeBody,
  makeDispatcher,
  makeReadBody,
  makeRequest,
  makeWriteBody,
  nodeIdOf,
} from '../helpers/fuse-requests.ts'

const mkdir = (name: string, mode = 0o755): Buffer => makeBody([mode, 0], name)
const mknod = (name: string): Buffer =>
  makeBody([wire.S_IFREG | 0o644, 0, 0, 0], name)
const rename = (to: number, from: string, name: string): Buffer =>
  makeBody([to, 0], from, name)

/** `nodeId` 0: without its node. */
function decodeDirentsPlus(body: Buffer) {
  const found = []
  for (let at = 0; at < body.length;) {
    const data = wire.dataViewOf(body)
    const dirent = at + wire.FUSE_ENTRY_OUT_SIZE
    const nameAt = dirent + 24
    const length = data.getUint32(dirent + 16, true)
    const name = body.toString('latin1', nameAt, nameAt + length)
    found.push({
      nodeId: Number(data.getBigUint64(at, true)),
      attr: wire.decodeAttr(data, at + 40),
      name,
    })
    at = dirent + wire.direntSize(name)
  }
  return found
}

t.test('serves what was made: file, link, directory', async t => {
  const { dispatcher } = makeDispatcher()
  const run = (...args: Parameters<typeof makeRequest>): Buffer | undefined =>
    dispatcher.dispatch(makeRequest(...args))
  const dir = nodeIdOf(run('MKDIR', 1, mkdir('..ts1')))
  const file = nodeIdOf(run('MKNOD', dir, mknod('a')))
  t.equal(
    decodeReply(
      run('WRITE', file, makeWriteBody(0, 'hello')),
    ).body.readUInt32LE(0),
    5,
  )
  run('SYMLINK', 1, makeBody([], '..data_tmp', '..ts1'))
  t.equal(
    decodeReply(run('RENAME', 1, rename(1, '..data_tmp', '..data'))).errno,
    0,
  )
  const link = nodeIdOf(run('LOOKUP', 1, makeBody([], '..data')))
  t.equal(decodeReply(run('READLINK', link)).body.toString(), '..ts1')
  t.equal(
    decodeReply(run('READ', file, makeReadBody(1, 3))).body.toString(),
    'ell',
  )
  t.equal(decodeReply(run('READ', file, makeReadBody(9, 3))).body.length, 0)
  const listing = decodeReply(run('READDIR', 1, makeReadBody(0, 4096))).body
  t.strictSame(
    wire.decodeDirents(listing).map(({ name, mode }) => [name, mode]),
    [
      ['.', wire.S_IFDIR],
      ['..', wire.S_IFDIR],
      ['..ts1', wire.S_IFDIR],
      ['..data', wire.S_IFLNK],
    ],
  )
  const { body } = decodeReply(run('GETATTR', file))
  t.match(wire.decodeAttr(wire.dataViewOf(body), 16), {
    ino: file,
    size: 5,
    mode: 0o100644,
  })
})

t.test('a listing in small pieces has each name once', async t => {
  const { dispatcher } = makeDispatcher()
  for (let i = 0; i < 20; i++)
    dispatcher.dispatch(makeRequest('MKDIR', 1, mkdir(`name-${i}`)))
  const names: string[] = []
  for (let offset = 0; ;) {
    const reply = dispatcher.dispatch(
      makeRequest('READDIR', 1, makeReadBody(offset, 80)),
    )
    const dirents = wire.decodeDirents(decodeReply(reply).body)
    if (dirents.length === 0) break
    names.push(...dirents.map(({ name }) => name))
    offset = dirents.at(-1)?.off ?? 0
  }
  t.equal(names.length, 22)
  t.equal(new Set(names).size, 22)
})

t.test('a missing name is answered so that the kernel keeps it', async t => {
  const { dispatcher } = makeDispatcher()
  const { errno, body } = decodeReply(
    dispatcher.dispatch(makeRequest('LOOKUP', 1, makeBody([], 'nothing'))),
  )
  t.equal(errno, 0)
  t.equal(body.readBigUInt64LE(0), 0n)
  t.ok(body.readBigUInt64LE(16) > 3600n)
})

t.test('only the daemon changes anything', async t => {
  const { dispatcher, journal } = makeDispatcher({ answerOpens: true })
  const file = nodeIdOf(
    dispatcher.dispatch(makeRequest('MKNOD', 1, mknod('a'))),
  )
  const setattr = Buffer.alloc(88)
  setattr.writeUInt32LE(wire.FATTR_MODE, 0)
  const cases: [OperationName, number, Buffer][] = [
    ['SETATTR', file, setattr],
    ['SYMLINK', 1, makeBody([], 'l', 'a')],
    ['MKNOD', 1, mknod('b')],
    ['MKDIR', 1, mkdir('d')],
    ['UNLINK', 1, makeBody([], 'a')],
    ['RMDIR', 1, makeBody([], 'a')],
    ['RENAME', 1, rename(1, 'a', 'b')],
    ['WRITE', file, makeWriteBody(0, 'x')],
    ['OPEN', file, makeBody([1, 0])],
    ['OPEN', file, makeBody([2, 0])],
    ['OPEN', file, makeBody([0o1000, 0])],
  ]
  for (const [operation, nodeId, body] of cases)
    for (const tid of [0, 78])
      t.equal(
        decodeReply(
          dispatcher.dispatch(makeRequest(operation, nodeId, body, { tid })),
        ).errno,
        errno.EROFS,
        operation,
      )
  t.equal(journal.requests.length, 1)
  const open = (flags: number, tid?: number): number =>
    decodeReply(
      dispatcher.dispatch(
        makeRequest('OPEN', file, makeBody([flags, 0]), tid ? { tid } : {}),
      ),
    ).errno
  t.equal(open(0, 78), 0, 'but everybody may open for reading')
  t.equal(open(1), 0)
})

t.test('sets mode, owner, size and times', async t => {
  const { dispatcher } = makeDispatcher()
  const file = nodeIdOf(
    dispatcher.dispatch(makeRequest('MKNOD', 1, mknod('a'))),
  )
  const body = Buffer.alloc(88)
  body.writeUInt32LE(0b111111, 0)
  body.writeBigUInt64LE(3n, 16)
  body.writeBigUInt64LE(11n, 32)
  body.writeBigUInt64LE(12n, 40)
  body.writeUInt32LE(0o4400, 68)
  body.writeUInt32LE(5, 76)
  body.writeUInt32LE(6, 80)
  const reply = decodeReply(
    dispatcher.dispatch(makeRequest('SETATTR', file, body)),
  )
  t.match(wire.decodeAttr(wire.dataViewOf(reply.body), 16), {
    mode: 0o104400,
    uid: 5,
    gid: 6,
    size: 3,
    atime: { sec: 11 },
    mtime: { sec: 12 },
  })
})

t.test('a resent change is not done twice', async t => {
  const { dispatcher, journal } = makeDispatcher()
  const first = makeRequest('MKDIR', 1, mkdir('d'), { unique: 1000 })
  const reply = dispatcher.dispatch(first)
  const again = dispatcher.dispatch(
    makeRequest('MKDIR', 1, mkdir('d'), { unique: 1000, resent: true }),
  )
  t.equal(nodeIdOf(again), nodeIdOf(reply))
  t.equal(again?.readBigUInt64LE(8), 1000n | (1n << 63n))
  t.equal(journal.requests.length, 1)
  const other = dispatcher.dispatch(
    makeRequest('MKDIR', 1, mkdir('d'), { unique: 1002, resent: true }),
  )
  t.equal(decodeReply(other).errno, errno.EEXIST, 'one that was not done is')
  const plain = dispatcher.dispatch(
    makeRequest('MKDIR', 1, mkdir('d'), { unique: 1000 }),
  )
  t.equal(decodeReply(plain).errno, errno.EEXIST, 'without the bit it is new')
})

t.test('a change that cannot be recorded has not happened', async t => {
  const { dispatcher, journal, log } = makeDispatcher()
  journal.failNext = true
  const reply = dispatcher.dispatch(makeRequest('MKDIR', 1, mkdir('d')))
  t.equal(decodeReply(reply).errno, errno.ENOSPC)
  t.equal(log.length, 1)
  t.equal(dispatcher.tree.lookup(1, 'd'), undefined)
  t.equal(dispatcher.tree.nextId, 2)
})

t.test('nor does it count as a reference to the next node', async t => {
  const { dispatcher, journal } = makeDispatcher()
  journal.failNext = true
  for (let attempt = 0; attempt < 3; attempt++)
    dispatcher.dispatch(makeRequest('MKNOD', 1, mknod('a')))
  journal.failNext = false
  const id = nodeIdOf(dispatcher.dispatch(makeRequest('MKNOD', 1, mknod('a'))))
  dispatcher.dispatch(makeRequest('UNLINK', 1, makeBody([], 'a')))
  dispatcher.dispatch(makeRequest('FORGET', id, makeBody([1, 0])))
  t.notOk(dispatcher.tree.nodes.has(id))
})

t.test('a failed change is not recorded', async t => {
  const { dispatcher, journal } = makeDispatcher()
  dispatcher.dispatch(makeRequest('RMDIR', 1, makeBody([], 'no')))
  t.equal(journal.requests.length, 0)
})

t.test('frees an unlinked node when the kernel forgets it', async t => {
  const forget = (count: number): Buffer => makeBody([count, 0])
  t.test('after as many lookups', async t => {
    const { dispatcher, journal } = makeDispatcher()
    const id = nodeIdOf(
      dispatcher.dispatch(makeRequest('MKNOD', 1, mknod('a'))),
    )
    dispatcher.dispatch(makeRequest('LOOKUP', 1, makeBody([], 'a')))
    dispatcher.dispatch(makeRequest('UNLINK', 1, makeBody([], 'a')))
    t.equal(
      dispatcher.dispatch(makeRequest('FORGET', id, forget(1))),
      undefined,
    )
    t.ok(dispatcher.tree.nodes.has(id))
    dispatcher.dispatch(makeRequest('FORGET', id, forget(1)))
    t.notOk(dispatcher.tree.nodes.has(id))
    t.strictSame(journal.drops, [id])
  })
  t.test('a listing with nodes is a look-up of each', async t => {
    const { dispatcher } = makeDispatcher()
    const id = nodeIdOf(
      dispatcher.dispatch(makeRequest('MKNOD', 1, mknod('a'))),
    )
    const { body } = decodeReply(
      dispatcher.dispatch(makeRequest('READDIRPLUS', 1, makeReadBody(0, 4096))),
    )
    const [self, parent, a] = decodeDirentsPlus(body)
    t.match(self, { nodeId: 0, name: '.' })
    t.match(parent, { nodeId: 0, name: '..' })
    t.match(a, { nodeId: id, name: 'a', attr: { ino: id, mode: 0o100644 } })
    dispatcher.dispatch(makeRequest('UNLINK', 1, makeBody([], 'a')))
    dispatcher.dispatch(makeRequest('FORGET', id, forget(1)))
    t.ok(dispatcher.tree.nodes.has(id))
    dispatcher.dispatch(makeRequest('FORGET', id, forget(1)))
    t.notOk(dispatcher.tree.nodes.has(id))
  })
  t.test('but of none that did not fit', async t => {
    const { dispatcher } = makeDispatcher()
    const id = nodeIdOf(
      dispatcher.dispatch(makeRequest('MKNOD', 1, mknod('a'))),
    )
    const size = 3 * (wire.FUSE_ENTRY_OUT_SIZE + wire.direntSize('a')) - 1
    const { body } = decodeReply(
      dispatcher.dispatch(makeRequest('READDIRPLUS', 1, makeReadBody(0, size))),
    )
    t.equal(decodeDirentsPlus(body).length, 2)
    dispatcher.dispatch(makeRequest('UNLINK', 1, makeBody([], 'a')))
    dispatcher.dispatch(makeRequest('FORGET', id, forget(1)))
    t.notOk(dispatcher.tree.nodes.has(id))
  })
  t.test('a node with a name stays', async t => {
    const { dispatcher, journal } = makeDispatcher()
    const id = nodeIdOf(
      dispatcher.dispatch(makeRequest('MKNOD', 1, mknod('a'))),
    )
    dispatcher.dispatch(makeRequest('FORGET', id, forget(9)))
    t.ok(dispatcher.tree.nodes.has(id))
    t.strictSame(journal.drops, [])
  })
  t.test('in a batch', async t => {
    const { dispatcher, journal } = makeDispatcher()
    const id = nodeIdOf(
      dispatcher.dispatch(makeRequest('MKNOD', 1, mknod('a'))),
    )
    dispatcher.dispatch(makeRequest('UNLINK', 1, makeBody([], 'a')))
    const batch = makeBody([1, 0, id, 0, 1, 0])
    t.equal(
      dispatcher.dispatch(makeRequest('BATCH_FORGET', 0, batch)),
      undefined,
    )
    t.strictSame(journal.drops, [id])
  })
  t.test('each of a batch, though none can be recorded', async t => {
    const { dispatcher, journal } = makeDispatcher()
    const ids = ['a', 'b'].map(name => {
      const reply = dispatcher.dispatch(makeRequest('MKNOD', 1, mknod(name)))
      dispatcher.dispatch(makeRequest('UNLINK', 1, makeBody([], name)))
      return nodeIdOf(reply)
    })
    journal.appendDrop = () => {
      throw new Error('ENOSPC')
    }
    const words = ids.flatMap(id => [id, 0, 1, 0])
    dispatcher.dispatch(
      makeRequest('BATCH_FORGET', 0, makeBody([ids.length, 0, ...words])),
    )
    for (const id of ids) t.notOk(dispatcher.tree.nodes.has(id))
  })
})

t.test('answers INIT with what it wants of what is offered', async t => {
  const { dispatcher } = makeDispatcher()
  // What Linux 6.18.44 offers.
  const init = makeBody([
    7,
    45,
    131072,
    0x73fffffb,
    0x5fd,
    ...Array<number>(11).fill(0),
  ])
  const { body } = decodeReply(
    dispatcher.dispatch(makeRequest('INIT', 0, init)),
  )
  t.equal(body.length, wire.FUSE_INIT_OUT_SIZE)
  t.equal(body.readUInt32LE(4), 45)
  const flags = body.readInt32LE(12)
  t.ok(flags & wire.FUSE_CACHE_SYMLINKS)
  t.equal(flags & (1 << 16), 0, 'WRITEBACK_CACHE would own size and mtime')
  t.equal(flags & (1 << 12), 0, 'AUTO_INVAL_DATA would ask again and again')
  t.equal(flags & (1 << 3), 0, 'O_TRUNC is to come as SETATTR')
  t.equal(body.readUInt32LE(20), wire.MAX_WRITE)
  const old = makeBody([7, 23, 0, 0])
  t.equal(
    decodeReply(dispatcher.dispatch(makeRequest('INIT', 0, old))).errno,
    errno.EPROTO,
  )
})

t.test('every operation has its one answer', async t => {
  const { dispatcher } = makeDispatcher()
  for (const [name, { opcode, kind }] of Object.entries(operations)) {
    const reply = dispatcher.dispatch(makeRequest(opcode, 1, Buffer.alloc(4)))
    if (kind === 'silent') t.equal(reply, undefined, name)
    else if (kind === 'ENOSYS')
      t.equal(decodeReply(reply).errno, errno.ENOSYS, name)
    else t.ok(reply, name)
  }
  for (const opcode of [0, 7, 19, 54, 4096, 0xffff_ffff])
    t.equal(
      decodeReply(dispatcher.dispatch(makeRequest(opcode, 1))).errno,
      errno.ENOSYS,
    )
})

t.test('once it stops, nothing is readable', async t => {
  const { dispatcher } = makeDispatcher({ isStopping: () => true })
  const reply = dispatcher.dispatch(makeRequest('GETATTR', 1))
  t.equal(decodeReply(reply).errno, errno.ENOTCONN)
})

t.test('an unexpected error is EIO and one log line', async t => {
  const { dispatcher, log } = makeDispatcher({
    isDaemonThread: () => {
      throw new Error('a bug')
    },
  })
  const reply = dispatcher.dispatch(makeRequest('MKDIR', 1, mkdir('d')))
  t.equal(decodeReply(reply).errno, errno.EIO)
  t.equal(log.length, 1)
})

t.test('no bytes make it throw, or answer other than once', async () => {
  const anyRequest = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes)),
    fc
      .record({
        opcode: fc.integer({ min: 0, max: 60 }),
        nodeId: fc.integer({ min: 0, max: 6 }),
        body: fc.oneof(
          fc.uint8Array({ maxLength: 160 }),
          fc
            .array(fc.constantFrom('a', 'b', 'c', '', '..'), { maxLength: 3 })
            .map(names => makeBody([wire.S_IFREG, 0, 0, 0], ...names)),
          fc
            .array(fc.constantFrom('a', 'b', 'd'), { maxLength: 3 })
            .map(names => makeBody([1, 0], ...names)),
          fc
            .array(fc.constantFrom('a', 'b', 'd'), { maxLength: 3 })
            .map(names => makeBody([], ...names)),
        ),
        resent: fc.boolean(),
      })
      .map(({ opcode, nodeId, body, resent }) =>
        makeRequest(opcode, nodeId, Buffer.from(body), { resent }),
      ),
  )
  const silent = new Set(
    Object.values(operations)
      .filter(({ kind }) => kind === 'silent')
      .map(({ opcode }): number => opcode),
  )
  fc.assert(
    fc.property(fc.array(anyRequest, { maxLength: 60 }), requests => {
      const { dispatcher } = makeDispatcher()
      for (const request of requests) {
        const reply = dispatcher.dispatch(request)
        if (request.length < 40 || silent.has(request.readUInt32LE(4))) {
          if (reply !== undefined) throw new Error('a reply too many')
          continue
        }
        if (reply === undefined) throw new Error('no reply')
        const error = reply.readInt32LE(4)
        if (reply.readUInt32LE(0) !== reply.length) throw new Error('length')
        if (error > 0 || error <= -512) throw new Error(`error ${error}`)
        if (error !== 0 && reply.length !== 16) throw new Error('error body')
        if (!reply.subarray(8, 16).equals(request.subarray(8, 16)))
          throw new Error('unique')
      }
    }),
    { numRuns: 300 },
  )
})
