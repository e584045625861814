import t from 'tap'
import { EROFS, ENOENT, ENOSYS, ENOTCONN } from '../../src/fuse/wire/errno.ts'
import {
  PRIVATE_NAME,
  publicTree,
  UNPUBLISHED_NAME,
} from '../../src/fuse/server/public-tree.ts'
import { FILL_NAME, FILL_NODE_ID } from '../../src/fuse/wire/fill.ts'
import type { Dispatcher } from '../../src/fuse/server/dispatch.ts'
import { replayJournal } from '../../src/fuse/server/replay-journal.ts'
import type { OperationName } from '../../src/fuse/wire/operations.ts'
import * as wire from '../../src/fuse/wire/protocol.ts'
import {
  decodeReply,
  type FakeJournal,
  makeBody,
  makeDispatcher,
  makeReadBody,
  makeRequest,
  nodeIdOf,
  type Reply,
} from '../helpers/fuse-requests.ts'

const root = wire.FUSE_ROOT_ID
const somebody = { tid: 99 }
const daemon = {}
const fill = makeBody([], FILL_NAME)
const named = (name: string): Buffer => makeBody([], name)

interface World {
  readonly dispatcher: Dispatcher
  readonly journal: FakeJournal
  readonly ask: (
    who: { tid?: number },
    operation: OperationName,
    nodeId: number,
    body?: Buffer,
  ) => Reply
  readonly names: (who: { tid?: number }, nodeId?: number) => string[]
}

function makeWorld(subdirectory: string, again = false): World {
  const owner = { uid: 7, gid: 8 }
  const { nodes, nextId } = publicTree(
    owner,
    { sec: 1, nsec: 0 },
    { subdirectory, again },
  )
  const { dispatcher, journal } = makeDispatcher(
    { answerOpens: true },
    { nodes, nextId, recent: [] },
  )
  const ask: World['ask'] = (who, operation, nodeId, body) =>
    decodeReply(dispatcher.dispatch(makeRequest(operation, nodeId, body, who)))
  return {
    dispatcher,
    journal,
    ask,
    names: (who, nodeId = root) => {
      const { body } = ask(who, 'READDIR', nodeId, makeReadBody(0, 4096))
      const names: string[] = []
      for (let at = 0; at < body.length;) {
        const length = body.readUInt32LE(at + 16)
        names.push(body.toString('latin1', at + 24, at + 24 + length))
        at += wire.direntSize('x'.repeat(length))
      }
      return names
    },
  }
}

/** How long the kernel may keep the name of an entry_out. */
const validSeconds = ({ body }: Reply): number =>
  Number(body.readBigUInt64LE(16))

/** The node of an entry_out; 0: there is none. */
const foundAs = ({ body }: Reply): number => Number(body.readBigUInt64LE(0))

for (const subdirectory of ['', 'volume'])
  t.test(`the root is ${subdirectory || 'everything'}`, async t => {
    const { ask, names } = makeWorld(subdirectory)
    const way = ask(daemon, 'LOOKUP', root, named(PRIVATE_NAME))
    t.equal(way.errno, 0)
    t.equal(validSeconds(way), 0, 'asked for each time')
    const id = foundAs(way)
    if (subdirectory === '')
      t.equal(String(ask(daemon, 'READLINK', id).body), '.')
    else {
      t.strictSame(names(daemon, id), ['.', '..', subdirectory])
      const link = ask(daemon, 'LOOKUP', id, named(subdirectory))
      const target = foundAs(link)
      t.equal(String(ask(daemon, 'READLINK', target).body), '..')
      // Whoever watches the root must not hear of it.
      t.equal(foundAs(ask(daemon, 'LOOKUP', id, fill)), FILL_NODE_ID)
      t.equal(foundAs(ask(somebody, 'LOOKUP', id, fill)), 0)
    }
    t.equal(foundAs(ask(daemon, 'LOOKUP', root, fill)), FILL_NODE_ID)
    ask(daemon, 'MKDIR', root, makeBody([0o755, 0], 'seen'))
    ask(daemon, 'RMDIR', root, named(UNPUBLISHED_NAME))
    for (const who of [daemon, somebody])
      t.strictSame(names(who), ['.', '..', 'seen'], 'no listing has the way')
    t.equal(ask(somebody, 'LOOKUP', root, named(PRIVATE_NAME)).errno, ENOENT)
    t.equal(ask(somebody, 'LOOKUP', root, named('seen')).errno, 0)
    const { body } = ask(somebody, 'GETATTR', root)
    t.equal(body.readUInt32LE(16 + 64), 3, 'links: itself, its name, `seen`')
  })

t.test('nobody else sees what is not whole', async t => {
  const { ask, names } = makeWorld('')
  const made = ask(daemon, 'MKDIR', root, makeBody([0o755, 0], 'app'))
  t.equal(validSeconds(made), 0, 'the kernel must not answer for the server')
  const found = ask(daemon, 'LOOKUP', root, named('app'))
  t.equal(validSeconds(found), 0)
  t.equal(ask(somebody, 'LOOKUP', root, named('app')).errno, ENOENT)
  t.equal(
    validSeconds(ask(daemon, 'LOOKUP', root, named('later'))),
    0,
    'nor may it keep that something is missing',
  )
  t.strictSame(names(somebody), ['.', '..'])
  t.strictSame(names(daemon), ['.', '..', 'app'])
  const opened = ask(daemon, 'OPENDIR', root, makeBody([0, 0]))
  t.equal(opened.errno, 0, 'listings differ, so the kernel must keep none')
  t.equal(opened.body.readUInt32LE(8), 0)

  t.equal(
    ask(somebody, 'RMDIR', root, named(UNPUBLISHED_NAME)).errno,
    EROFS,
    'and nobody else shows it',
  )
  t.equal(ask(daemon, 'RMDIR', root, named(UNPUBLISHED_NAME)).errno, 0)
  const shown = ask(somebody, 'LOOKUP', root, named('app'))
  t.equal(shown.errno, 0)
  t.ok(validSeconds(shown) > 0)
  t.strictSame(names(somebody), ['.', '..', 'app'])
  t.equal(ask(somebody, 'OPENDIR', root, makeBody([0, 0])).errno, ENOSYS)
})

t.test(
  'what takes the place of a lost mount looks lost, not empty',
  async t => {
    const { ask } = makeWorld('volume', true)
    ask(daemon, 'SYMLINK', root, named('key\0..data/key'))
    t.equal(ask(somebody, 'LOOKUP', root, named('key')).errno, ENOTCONN)
    t.equal(
      ask(somebody, 'READDIR', root, makeReadBody(0, 4096)).errno,
      ENOTCONN,
    )
    ask(daemon, 'RMDIR', root, named(UNPUBLISHED_NAME))
    t.equal(ask(somebody, 'LOOKUP', root, named('key')).errno, 0)
  },
)

t.test('the next server goes on with it', async t => {
  const { dispatcher, journal, ask } = makeWorld('')
  nodeIdOf(
    dispatcher.dispatch(
      makeRequest('MKDIR', root, makeBody([0o755, 0], 'app')),
    ),
  )
  ask(daemon, 'RMDIR', root, named(UNPUBLISHED_NAME))
  const { nodes, nextId } = publicTree(
    { uid: 7, gid: 8 },
    { sec: 1, nsec: 0 },
    { subdirectory: '', again: false },
  )
  const records = journal.requests.map(each => ({
    kind: 'request' as const,
    ...each,
  }))
  const state = replayJournal({ state: { nodes, nextId, recent: [] }, records })
  t.strictSame([...state.nodes.keys()], [...dispatcher.state.nodes.keys()])
})
