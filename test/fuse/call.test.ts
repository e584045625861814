import t from 'tap'
import { Call } from '../../src/fuse/server/call.ts'
import * as wire from '../../src/fuse/wire/protocol.ts'
import { Tree } from '../../src/fuse/server/tree.ts'

const hex = (text: string): Buffer =>
  Buffer.from(text.replace(/\s/g, ''), 'hex')

function makeCall(request: Buffer): Call {
  const call = new Call(
    Tree.empty({ uid: 0, gid: 0 }, { sec: 0, nsec: 0 }),
    { answerOpens: false, isDaemonThread: () => false },
    { add: () => undefined, drop: () => undefined },
  )
  call.request = request
  return call
}

// Recorded from Linux 6.18: LOOKUP of `a` in the root.
const lookup = hex(`
  2a000000 01000000 0200000000000080 0100000000000000
  e8030000 e9030000 39300000 00000000 6100`)

t.test('reads the fields of a request header', async t => {
  const call = makeCall(lookup)
  t.equal(call.opcode, 1)
  t.equal(call.nodeId, 1)
  t.equal(call.uid, 1000)
  t.equal(call.gid, 1001)
  t.equal(call.tid, 12345)
  t.equal(wire.decodeName(call.body, 0), 'a')
})

t.test('answers with the raw bytes of unique', async t => {
  const call = makeCall(lookup)
  t.equal(call.refuse(2).toString('hex'), '10000000feffffff0200000000000080')
  t.equal(
    call.replyWith(hex('616263')).toString('hex'),
    '13000000000000000200000000000080616263',
  )
})

t.test('a reply has nothing of the one before it', async t => {
  const call = makeCall(lookup)
  for (const size of [8, 4096]) {
    call.replyWith(Buffer.alloc(size, 'secret'))
    const reply = call.reply(size)
    t.equal(reply.length, 16 + size)
    t.ok(reply.subarray(16).every(byte => byte === 0))
  }
})

t.test(
  'what was answered before is answered again by another number',
  async t => {
    const call = makeCall(lookup)
    const before = Buffer.from(call.replyWith(hex('616263')))
    call.request = hex(`
    2a000000 01000000 0400000000000000 0100000000000000
    e8030000 e9030000 39300000 00000000 6100`)
    t.equal(
      call.replyAgain(before).toString('hex'),
      '13000000000000000400000000000000616263',
    )
  },
)
