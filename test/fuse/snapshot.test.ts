import assert from 'node:assert/strict'
import { crc32 as zlibCrc32 } from 'node:zlib'
import * as fc from 'fast-check'
import t from 'tap'
import { crc32 } from '../../src/fuse/wire/crc32.ts'
import { S_IFDIR, S_IFLNK, S_IFREG } from '../../src/fuse/wire/protocol.ts'
import {
  decodeSnapshot,
  encodeSnapshot,
} from '../../src/fuse/server/snapshot.ts'
import { Tree } from '../../src/fuse/server/tree.ts'

const big = 2 ** 40 + 7
const time = fc
  .tuple(
    fc.integer({ min: -(2 ** 33), max: 2 ** 34 }),
    fc.nat({ max: 999_999_999 }),
  )
  .map(([sec, nsec]) => ({ sec, nsec }))
const bytes = fc.uint8Array({ maxLength: 40 }).map(data => Buffer.from(data))
const word = fc.nat({ max: 0xffff_ffff })
const file = fc.record({
  name: fc
    .uint8Array({ minLength: 1, maxLength: 255 })
    .map(name => `n${Buffer.from(name).toString('latin1')}`.slice(0, 255))
    .filter(name => !name.includes('/')),
  type: fc.constantFrom(S_IFDIR, S_IFLNK, S_IFREG),
  mode: fc.nat({ max: 0o7777 }),
  owner: fc.record({ uid: word, gid: word }),
  times: fc.tuple(time, time, time),
  data: bytes,
})
const reply = fc
  .tuple(bytes, bytes)
  .map(([unique, reply]) => ({ unique: unique.toString('hex'), reply }))

t.test('what is written is what is read', async () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(file, { selector: ({ name }) => name }),
      fc.array(reply, { maxLength: 8 }),
      time,
      (files, recent, at) => {
        const { nodes } = Tree.empty({ uid: 1, gid: 2 }, at)
        const tree = new Tree({ nodes, nextId: big })
        let parent = 1
        for (const { name, type, mode, owner, times, data } of files) {
          const node = tree.create(parent, name, type | mode, owner, at, data)
          ;[node.atime, node.mtime, node.ctime] = times
          if (type === S_IFDIR) parent = node.id
        }
        const state = { nodes, nextId: tree.nextId, recent }
        assert.deepEqual(decodeSnapshot(encodeSnapshot(state)), state)
      },
    ),
  )
})

t.test('what is read is no part of the bytes', async t => {
  const tree = Tree.empty({ uid: 1, gid: 2 }, { sec: 1, nsec: 2 })
  const data = Buffer.from('blue')
  const { id } = tree.create(
    1,
    'colour',
    S_IFREG | 0o644,
    { uid: 1, gid: 2 },
    { sec: 1, nsec: 2 },
    data,
  )
  const { nodes, nextId } = tree
  const snapshot = encodeSnapshot({ nodes, nextId, recent: [] })
  const read = decodeSnapshot(snapshot)
  snapshot.fill(0)
  t.equal(read.nodes.get(id)?.data.toString(), 'blue')
})

t.test('both ways to a checksum come to the same', async t => {
  t.equal(crc32(Buffer.from('123456789')), 0xcbf43926)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1000 }), data =>
      assert.equal(crc32(data), zlibCrc32(data)),
    ),
  )
  const large = Buffer.alloc(1 << 20, 'podfs')
  t.equal(crc32(large), zlibCrc32(large))
})
