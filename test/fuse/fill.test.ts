import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import type { Dispatcher } from '../../src/fuse/server/dispatch.ts'
import * as errno from '../../src/fuse/wire/errno.ts'
import {
  decodeFill,
  encodeFill,
  FILL_NAME,
  FILL_NODE_ID,
  Filler,
} from '../../src/fuse/wire/fill.ts'
import type { OperationName } from '../../src/fuse/wire/operations.ts'
import * as wire from '../../src/fuse/wire/protocol.ts'
import { replayJournal } from '../../src/fuse/server/replay-journal.ts'
import { UNSEEN_MODE, type NewEntry } from '../../src/util/new-entry.ts'
import {
  decodeReply,
  makeBody,
  makeDispatcher,
  makeReadBody,
  makeRequest,
  makeWriteBody,
  nodeIdOf,
} from '../helpers/fuse-requests.ts'

const SOMEBODY = { tid: 99 }
const mkdir = (name: string, mode = 0o700): Buffer => makeBody([mode, 0], name)
const named = (name: string): Buffer => makeBody([], name)
const file = (path: string, text: string, mode = 0o640): NewEntry => ({
  path,
  mode: wire.S_IFREG | mode,
  data: Buffer.from(text),
})
const directory = (path: string): NewEntry => ({
  path,
  mode: wire.S_IFDIR | 0o755,
  data: Buffer.alloc(0),
})
const entries = [
  directory('d'),
  file('a', 'one'),
  { ...file('d/b', 'two'), uid: 1000 },
  { path: 'l', mode: wire.S_IFLNK | 0o777, data: Buffer.from('d/b') },
]

function ask(
  dispatcher: Dispatcher,
  ...[operation, node, body, options]: [
    OperationName,
    number,
    Buffer?,
    { tid: number }?,
  ]
) {
  return decodeReply(
    dispatcher.dispatch(makeRequest(operation, node, body, options)),
  )
}

function fill(dispatcher: Dispatcher, path: string, what = entries): number {
  const { data } = encodeFill(path, what)
  return ask(dispatcher, 'WRITE', FILL_NODE_ID, makeWriteBody(0, data)).errno
}

/** What the tree has, by path: type and mode, owner, data. */
function contents(dispatcher: Dispatcher): Record<string, string> {
  const found: Record<string, string> = {}
  const list = (id: number, prefix: string): void => {
    for (const [name, { nodeId }] of dispatcher.tree.directory(id).children) {
      const { mode, uid, gid, data, children } = dispatcher.tree.get(nodeId)
      found[prefix + name] =
        `${mode.toString(8)} ${uid}:${gid} ${data.toString()}`
      if (children !== undefined) list(nodeId, `${prefix}${name}/`)
    }
  }
  list(1, '')
  return found
}

t.test('makes all entries of a directory that nobody has seen', async t => {
  const { dispatcher, journal } = makeDispatcher()
  ask(dispatcher, 'MKDIR', 1, mkdir('ts'))
  t.equal(fill(dispatcher, 'ts'), 0)
  t.same(contents(dispatcher), {
    ts: '40700 0:0 ',
    'ts/d': '40755 0:0 ',
    'ts/d/b': '100640 1000:0 two',
    'ts/a': '100640 0:0 one',
    'ts/l': '120777 0:0 d/b',
  })
  t.equal(journal.requests.length, 2)
})

t.test('a directory that is open from the first moment', async t => {
  const { dispatcher } = makeDispatcher()
  ask(dispatcher, 'MKDIR', 1, mkdir('ts', UNSEEN_MODE))
  t.equal(fill(dispatcher, 'ts'), 0)
  t.match(contents(dispatcher), { ts: '40755 0:0 ', 'ts/a': '100640 0:0 one' })
})

t.test('below a setgid directory everything is its group’s', async t => {
  const { dispatcher } = makeDispatcher()
  const ts = nodeIdOf(dispatcher.dispatch(makeRequest('MKDIR', 1, mkdir('ts'))))
  Object.assign(dispatcher.tree.get(ts), { mode: 0o42700, gid: 2000 })
  t.equal(fill(dispatcher, 'ts'), 0)
  t.match(contents(dispatcher), {
    'ts/d': '42755 0:2000 ',
    'ts/d/b': '100640 1000:2000 two',
    'ts/l': '120777 0:2000 d/b',
  })
})

t.test('refuses, and makes nothing', async t => {
  const rows: [string, readonly NewEntry[], number][] = [
    ['a name that is taken', [file('b', ''), file('taken', '')], errno.EEXIST],
    ['a path twice', [file('b', ''), file('b', '')], errno.EEXIST],
    ['what is in no directory', [file('b/c', '')], errno.ENOENT],
    ['what is below a file', [file('b', ''), file('b/c', '')], errno.ENOENT],
    ['..', [file('b', ''), file('..', '')], errno.EINVAL],
    ['no name', [file('', '')], errno.EINVAL],
    ['a device', [{ ...file('b', ''), mode: 0o020600 }], errno.EPERM],
  ]
  for (const [what, bad, expected] of rows) {
    const { dispatcher, journal } = makeDispatcher()
    ask(dispatcher, 'MKDIR', 1, mkdir('ts'))
    fill(dispatcher, 'ts', [file('taken', '1')])
    const before = contents(dispatcher)
    const { nextId } = dispatcher.tree
    t.equal(fill(dispatcher, 'ts', [...bad]), expected, what)
    t.same(contents(dispatcher), before, what)
    t.equal(dispatcher.tree.nextId, nextId, what)
    t.equal(journal.requests.length, 2, what)
  }
  const { dispatcher } = makeDispatcher()
  t.equal(fill(dispatcher, 'nowhere'), errno.ENOENT)
  t.equal(fill(dispatcher, ''), errno.EBUSY)
})

t.test('who has looked at a directory ends it', async t => {
  const rows: [string, (dispatcher: Dispatcher) => void, number][] = [
    ['the daemon', d => ask(d, 'LOOKUP', 1, named('ts')), 0],
    ['somebody', d => ask(d, 'LOOKUP', 1, named('ts'), SOMEBODY), errno.EBUSY],
    [
      // Of another pid namespace: the kernel says 0.
      'somebody without a number',
      d => ask(d, 'LOOKUP', 1, named('ts'), { tid: 0 }),
      errno.EBUSY,
    ],
    [
      'somebody, in the directory above',
      d => ask(d, 'READDIR', 1, makeReadBody(0, 4096), SOMEBODY),
      0,
    ],
    [
      'somebody, who gets the nodes of the directory above',
      d => ask(d, 'READDIRPLUS', 1, makeReadBody(0, 4096), SOMEBODY),
      errno.EBUSY,
    ],
    [
      'the daemon, likewise',
      d => ask(d, 'READDIRPLUS', 1, makeReadBody(0, 4096)),
      0,
    ],
  ]
  for (const [who, look, expected] of rows) {
    const { dispatcher } = makeDispatcher()
    ask(dispatcher, 'MKDIR', 1, mkdir('ts'))
    look(dispatcher)
    t.equal(fill(dispatcher, 'ts'), expected, who)
  }
  const { dispatcher } = makeDispatcher()
  ask(dispatcher, 'MKDIR', 1, mkdir('ts', 0o755))
  t.equal(fill(dispatcher, 'ts'), errno.EBUSY, 'one with another mode is seen')
})

t.test('what the kernel may keep', async t => {
  const { dispatcher } = makeDispatcher()
  const validity = ({ body }: { body: Buffer }) =>
    body.readBigUInt64LE(16) > 0n ? 'for ever' : 'not at all'
  t.equal(validity(ask(dispatcher, 'MKDIR', 1, mkdir('ts'))), 'not at all')
  const ts = nodeIdOf(
    dispatcher.dispatch(makeRequest('LOOKUP', 1, named('ts'))),
  )
  t.equal(validity(ask(dispatcher, 'LOOKUP', 1, named('ts'))), 'not at all')
  const missing = () => validity(ask(dispatcher, 'LOOKUP', ts, named('a')))
  t.equal(missing(), 'not at all', 'a name that may come without the kernel')
  const { body } = ask(dispatcher, 'READDIRPLUS', 1, makeReadBody(0, 4096))
  const own = 2 * (wire.FUSE_ENTRY_OUT_SIZE + wire.direntSize('..'))
  t.equal(validity({ body: body.subarray(own) }), 'not at all', 'in a listing')
  const seen = ask(dispatcher, 'LOOKUP', 1, named('ts'), SOMEBODY)
  t.equal(validity(seen), 'for ever')
  t.equal(missing(), 'for ever')
})

t.test('.fill', async t => {
  const { dispatcher } = makeDispatcher()
  const { body } = ask(dispatcher, 'LOOKUP', 1, named(FILL_NAME))
  t.equal(Number(body.readBigUInt64LE(0)), FILL_NODE_ID)
  t.equal(body.readBigUInt64LE(16), 0n)
  const other = ask(dispatcher, 'LOOKUP', 1, named(FILL_NAME), SOMEBODY).body
  t.equal(other.readBigUInt64LE(0), 0n, 'is there for the daemon alone')
  t.equal(other.readBigUInt64LE(16), 0n, 'and the kernel must ask each time')
  t.same(contents(dispatcher), {}, 'is in no listing')
  const attr = ask(dispatcher, 'GETATTR', FILL_NODE_ID).body
  t.equal(wire.decodeAttr(wire.dataViewOf(attr), 16).mode, 0o100200)
  const { data } = encodeFill('ts', entries)
  t.equal(
    ask(dispatcher, 'WRITE', FILL_NODE_ID, makeWriteBody(0, data), SOMEBODY)
      .errno,
    errno.EROFS,
  )
  const sub = nodeIdOf(dispatcher.dispatch(makeRequest('MKDIR', 1, mkdir('s'))))
  const below = ask(dispatcher, 'LOOKUP', sub, named(FILL_NAME)).body
  t.equal(below.readBigUInt64LE(0), 0n, 'is in the root only')
})

t.test('an unseen directory goes with all that is in it', async t => {
  const { dispatcher } = makeDispatcher()
  ask(dispatcher, 'MKDIR', 1, mkdir('ts'))
  fill(dispatcher, 'ts')
  t.equal(ask(dispatcher, 'RMDIR', 1, named('ts')).errno, 0)
  t.same(contents(dispatcher), {})
  // The directory itself, which the kernel still knows.
  t.equal(dispatcher.tree.nodes.size, 2)
})

t.test('one that was seen does not', async t => {
  const { dispatcher } = makeDispatcher()
  ask(dispatcher, 'MKDIR', 1, mkdir('ts'))
  fill(dispatcher, 'ts')
  ask(dispatcher, 'LOOKUP', 1, named('ts'), SOMEBODY)
  t.equal(ask(dispatcher, 'RMDIR', 1, named('ts')).errno, errno.ENOTEMPTY)
  const ts = dispatcher.tree.lookup(1, 'ts')?.id ?? 0
  t.equal(
    ask(dispatcher, 'RMDIR', ts, named('d')).errno,
    0,
    'but what is in it and was not',
  )
  t.ok(dispatcher.tree.find('ts/a'))
})

t.test('a server that replays the journal knows nothing of looks', async t => {
  const { dispatcher, journal } = makeDispatcher()
  ask(dispatcher, 'MKDIR', 1, mkdir('old'))
  fill(dispatcher, 'old')
  // A compaction in between: what was made before is in the snapshot.
  const snapshot = structuredClone(dispatcher.state)
  const recorded = journal.requests.length
  ask(dispatcher, 'MKDIR', 1, mkdir('new'))
  fill(dispatcher, 'new')
  ask(dispatcher, 'RMDIR', 1, named('old'))
  const state = replayJournal({
    state: { ...snapshot, nodes: restored(snapshot.nodes) },
    records: journal.requests
      .slice(recorded)
      .map(each => ({ kind: 'request', ...each })),
  })
  const next = makeDispatcher({}, state).dispatcher
  t.same(Object.keys(contents(next)), Object.keys(contents(dispatcher)))
  t.equal(
    ask(next, 'RMDIR', 1, named('new')).errno,
    errno.ENOTEMPTY,
    'somebody may have looked at it',
  )
  t.equal(fill(next, 'new', [file('z', '')]), errno.EBUSY)
})

t.test('a request holds as many entries as fit', async t => {
  const big = 'x'.repeat(50_000)
  const many = [file('a', big), file('b', big), file('c', big)]
  const first = encodeFill('ts', many)
  t.equal(first.count, 2)
  t.ok(first.data.length <= wire.MAX_WRITE)
  t.equal(encodeFill('ts', many.slice(2)).count, 1)
  t.equal(encodeFill('ts', [file('a', big.repeat(4))]).count, 0)
})

t.test('what is written is what is read', async () => {
  const anyEntry = fc.record({
    path: fc.string({ minLength: 1 }),
    mode: fc.integer({ min: 0, max: 0o177777 }),
    uid: fc.option(fc.nat(), { nil: undefined }),
    data: fc.uint8Array().map(bytes => Buffer.from(bytes)),
  })
  fc.assert(
    fc.property(fc.string(), fc.array(anyEntry), (path, list) => {
      const given = list.map(({ uid, ...rest }) =>
        uid === undefined ? rest : { ...rest, uid },
      )
      const { data, count } = encodeFill(path, given)
      const { directory, entries } = decodeFill(data)
      assert.equal(
        Buffer.from(directory, 'latin1').toString(),
        Buffer.from(path).toString(),
      )
      assert.deepEqual(
        entries,
        given.slice(0, count).map(entry => ({
          ...entry,
          path: Buffer.from(entry.path).toString('latin1'),
        })),
      )
    }),
  )
})

t.test('no bytes make it do half of it', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(120), (bytes, at) => {
      const { dispatcher } = makeDispatcher()
      ask(dispatcher, 'MKDIR', 1, mkdir('ts'))
      const { data } = encodeFill('ts', entries)
      const before = contents(dispatcher)
      const mutilated = Buffer.concat([
        data.subarray(0, at),
        bytes,
        data.subarray(at + bytes.length),
      ])
      const { errno } = ask(
        dispatcher,
        'WRITE',
        FILL_NODE_ID,
        makeWriteBody(0, mutilated),
      )
      if (errno !== 0) assert.deepEqual(contents(dispatcher), before)
    }),
  )
})

/** structuredClone makes plain arrays of bytes. */
function restored<Node extends { data: Uint8Array }>(
  nodes: Map<number, Node>,
): Map<number, Node> {
  for (const node of nodes.values()) node.data = Buffer.from(node.data)
  return nodes
}

t.test('what could not be opened is opened the next time', async t => {
  const root = path.join(t.testdir({ root: 'no directory' }), 'root')
  const filler = new Filler(root)
  t.teardown(() => filler.close())
  const entries = [file('a', 'text')]
  await t.rejects(filler.fill(root, entries), { code: 'ENOTDIR' })
  rmSync(root)
  mkdirSync(root)
  t.equal(await filler.fill(root, entries), 0, 'a server without `.fill`')
})
