import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import t from 'tap'
import * as wire from '../../src/fuse/wire/protocol.ts'

const hex = (text: string): Buffer =>
  Buffer.from(text.replace(/\s/g, ''), 'hex')

t.test('encodes notifications', async t => {
  t.equal(
    wire.encodeNotification(wire.FUSE_NOTIFY_RESEND).toString('hex'),
    '10000000070000000000000000000000',
  )
  t.equal(
    wire.encodeInvalInode(5, false).toString('hex'),
    '28000000' +
      '02000000' +
      '0000000000000000' +
      '0500000000000000' +
      'ffffffffffffffff' +
      '0000000000000000',
  )
  t.equal(wire.encodeInvalInode(5, true).toString('hex', 24), '0'.repeat(32))
})

t.test('encodes an attr at the offsets of the kernel header', async t => {
  const attr: wire.Attr = {
    ino: 7,
    size: 513,
    atime: { sec: 1, nsec: 4 },
    mtime: { sec: 2, nsec: 5 },
    ctime: { sec: 3, nsec: 6 },
    mode: 0o100644,
    nlink: 1,
    uid: 8,
    gid: 9,
  }
  const out = Buffer.alloc(wire.FUSE_ATTR_SIZE)
  wire.encodeAttr(attr, wire.dataViewOf(out), 0)
  t.equal(
    out.toString('hex'),
    hex(`
      0700000000000000 0102000000000000 0200000000000000
      0100000000000000 0200000000000000 0300000000000000
      04000000 05000000 06000000 a4810000 01000000 08000000 09000000
      00000000 00100000 00000000`).toString('hex'),
  )
  t.strictSame(wire.decodeAttr(wire.dataViewOf(out), 0), attr)
})

t.test('an attr survives a round trip', async () => {
  const word = fc.integer({ min: 0, max: 0xffff_ffff })
  const long = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
  const time = fc.record({
    sec: fc.integer({ min: -1000, max: 2 ** 40 }),
    nsec: fc.integer({ min: 0, max: 999_999_999 }),
  })
  fc.assert(
    fc.property(
      fc.record({
        ino: long,
        size: long,
        atime: time,
        mtime: time,
        ctime: time,
        mode: word,
        nlink: word,
        uid: word,
        gid: word,
      }),
      attr => {
        const out = Buffer.alloc(wire.FUSE_ATTR_SIZE + 3)
        wire.encodeAttr(attr, wire.dataViewOf(out), 3)
        assert.deepEqual(wire.decodeAttr(wire.dataViewOf(out), 3), {
          ...attr,
          atime: { ...attr.atime },
          mtime: { ...attr.mtime },
          ctime: { ...attr.ctime },
        })
      },
    ),
    { numRuns: 50 },
  )
})

t.test('pads directory entries to 8 bytes', async t => {
  const dirent = { ino: 9, off: 4, mode: wire.S_IFLNK, name: '..data' }
  const out = Buffer.alloc(wire.direntSize(dirent.name))
  wire.encodeDirent(dirent, out, 0)
  t.equal(
    out.toString('hex'),
    hex(`0900000000000000 0400000000000000 06000000 0a000000
         2e2e646174610000`).toString('hex'),
  )
  t.strictSame(wire.decodeDirents(out), [dirent])
})

t.test('refuses lists and names that are cut off', async t => {
  t.throws(() => wire.decodeName(Buffer.from('abc'), 0), RangeError)
  const forget = Buffer.alloc(24)
  forget.writeUInt32LE(2, 0)
  t.throws(() => wire.decodeBatchForget(forget, () => t.fail()), RangeError)
  const write = Buffer.alloc(44)
  write.writeUInt32LE(5, 16)
  t.throws(() => wire.decodeWriteIn(write), RangeError)
})

t.test('reads the INIT of a kernel before 7.36, which is shorter', async t => {
  const body = hex('07000000 1f000000 00000200 fbffff03')
  t.strictSame(wire.decodeInitIn(body), {
    major: 7,
    minor: 31,
    maxReadahead: 0x20000,
    flags: 0x03fffffb,
    flags2: 0,
  })
})
