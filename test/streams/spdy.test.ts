import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { constants, createDeflate } from 'node:zlib'
import t, { type Test } from 'tap'
import { serveForwardStreams } from '../../src/streams/forwarded-streams.ts'
import {
  serveSpdy,
  type SpdyStream,
} from '../../src/streams/spdy/connection.ts'
import {
  dataFrame,
  FrameReader,
  ping,
  rstStream,
  type SpdyFrame,
} from '../../src/streams/spdy/frames.ts'
import {
  emptyBlock,
  HeaderBlocks,
  spdyDictionary,
} from '../../src/streams/spdy/header-block.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { freePort, host, listen } from '../helpers/loopback-server.ts'
import { eventually } from '../helpers/podfs.ts'

/**
 * What kubectl 1.32 sends for two connections to `port-forward`: of each two streams, the first of
 * which it ends at once, five bytes, and the end.
 */
const ofKubectl = Buffer.from(
  '800300010000003d0000000100000000000078f9e3c6a7c202253a703a2b294a4dcc851625aca9a0808614cb45e01c606e61004a9f9c459068cc04256f460300000000ffff' +
    '0000000101000000' +
    '800300010000001800000003000000000000c2aa19540e2512d60b000000ffff' +
    '00000003000000054141414141' +
    '0000000301000000' +
    '800300010000001400000005000000000000a2c4624300000000ffff' +
    '0000000501000000' +
    '800300010000001400000007000000000000a2c0624300000000ffff' +
    '00000007000000054141414141' +
    '0000000701000000',
  'hex',
)

t.setTimeout(60_000)

type Words = Readonly<Record<string, string>>

/** The blocks of a client, of one zlib stream as Go writes it. */
function writer(): (headers: Words) => Promise<Buffer> {
  const deflate = createDeflate({ dictionary: spdyDictionary })
  return async headers => {
    const words = Object.entries(headers).flatMap(each => each)
    const bytes = words.flatMap(word => [
      number(word.length),
      Buffer.from(word),
    ])
    deflate.write(Buffer.concat([number(words.length / 2), ...bytes]))
    await new Promise<void>(resolve =>
      deflate.flush(constants.Z_SYNC_FLUSH, resolve),
    )
    return deflate.read() as Buffer
  }
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function control(type: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const head = Buffer.from([0x80, 3, 0, type, 0, 0, 0, 0])
  head.writeUIntBE(body.length, 5, 3)
  return Buffer.concat([head, body])
}

const synStream = (stream: number, block: Buffer): Buffer =>
  control(1, number(stream), number(0), Buffer.alloc(2), block)
const goAway = control(7, number(0), number(0))

t.test('headers', async t => {
  t.equal(spdyDictionary.length, 1423)
  t.match(
    emptyBlock(true).toString('hex'),
    /^7820e3c6a7c2/,
    'draft 3, 2.6.10.1',
  )
  const write = writer()
  const blocks = new HeaderBlocks()
  for (const requestid of ['0', '1', '1234567'])
    for (const streamtype of ['error', 'data']) {
      const headers = { streamtype, port: '8080', requestid }
      t.strictSame(
        Object.fromEntries(blocks.read(await write(headers))),
        headers,
        'each block refers to those before it',
      )
    }
  await t.test('that were long ago', async t => {
    const long = 'x'.repeat(20_000)
    for (const filler of [long, `${long}y`, long])
      t.equal(blocks.read(await write({ filler })).get('filler'), filler)
  })
  await t.test('that are none', async t => {
    t.throws(() => new HeaderBlocks().read(Buffer.from('GET / HTTP/1.1')))
    t.throws(() => new HeaderBlocks().read(Buffer.alloc(0)))
    const bomb = await writer()({ bomb: 'x'.repeat(10_000_000) })
    t.throws(() => new HeaderBlocks().read(bomb), {
      code: 'ERR_BUFFER_TOO_LARGE',
    })
    const cut = await writer()({ name: 'value' })
    t.throws(() => new HeaderBlocks().read(cut.subarray(0, 20)))
  })
  const none = new HeaderBlocks()
  t.equal(none.read(emptyBlock(true)).size, 0)
  t.equal(none.read(emptyBlock(false)).size, 0)
})

t.test('frames, wherever they are cut', async t => {
  const block = await writer()({ port: '1' })
  const bytes = Buffer.concat([
    synStream(1, block),
    // SETTINGS and WINDOW_UPDATE, which nobody minds.
    control(4, number(0)),
    control(9, number(1), number(65_536)),
    dataFrame(1, Buffer.from('hello'), false),
    ping(7),
    dataFrame(1, Buffer.alloc(0), true),
    rstStream(1, 5),
    goAway,
  ])
  const whole: SpdyFrame[] = [
    { type: 'SYN_STREAM', stream: 1, isLast: false, block },
    { type: 'DATA', stream: 1, bytes: Buffer.from('hello'), isLast: false },
    { type: 'PING', id: 7 },
    { type: 'DATA', stream: 1, bytes: Buffer.alloc(0), isLast: true },
    { type: 'RST_STREAM', stream: 1 },
    { type: 'GOAWAY' },
  ]
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const reader = new FrameReader()
    const frames: SpdyFrame[] = []
    for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)])
      for (const frame of reader.read(part)) {
        const last = frames.at(-1)
        if (frame.type !== 'DATA' || last?.type !== 'DATA') frames.push(frame)
        else
          frames[frames.length - 1] = {
            ...frame,
            bytes: Buffer.concat([last.bytes, frame.bytes]),
          }
      }
    t.strictSame(frames, whole, `at ${cut}`)
  }
  t.throws(
    () => [
      ...new FrameReader().read(
        Buffer.from('80030001 00ffffff'.replace(' ', ''), 'hex'),
      ),
    ],
    /too large/,
  )
})

/** What can be read to its end may still be written to. */
async function text(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream.iterator({ destroyOnReturn: false }))
    chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** A client at one end of a connection, and what serves the other one. */
async function connected(
  t: Test,
  serve: (transport: Socket, clock: FakeClock) => Promise<void>,
) {
  const clock = new FakeClock()
  const server = createServer()
  const port = await listen(t, server)
  const client = connect(port, host)
  const [transport] = (await once(server, 'connection')) as [Socket]
  const served = serve(transport, clock)
  const seen: SpdyFrame[] = []
  const reader = new FrameReader()
  client.on('error', () => undefined)
  client.on('data', (chunk: Buffer) => seen.push(...reader.read(chunk)))
  t.teardown(() => client.destroy())
  const write = writer()
  const open = async (stream: number, headers: Words): Promise<void> => {
    client.write(synStream(stream, await write(headers)))
  }
  /** All that was said on a stream. */
  const said = (stream: number): string =>
    Buffer.concat(
      seen.flatMap(frame =>
        frame.type === 'DATA' && frame.stream === stream ? [frame.bytes] : [],
      ),
    ).toString()
  const hasEnded = (stream: number): boolean =>
    seen.some(
      frame => frame.type === 'DATA' && frame.stream === stream && frame.isLast,
    )
  const isReset = (stream: number): boolean =>
    seen.some(frame => frame.type === 'RST_STREAM' && frame.stream === stream)
  return { client, served, clock, seen, open, said, hasEnded, isReset }
}

t.test('a client that is killed is missed while nothing is read', async t => {
  const kept: SpdyStream[] = []
  const { client, served, clock, seen, open } = await connected(
    t,
    (transport, clock) =>
      serveSpdy(transport, { accept: stream => kept.push(stream) > 0, clock }),
  )
  await open(1, {})
  const part = dataFrame(1, Buffer.alloc(1_000_000), false)
  let sent = 0
  const send = (): void => {
    client.write(part, error => {
      if (error) return
      sent += 1
      if (sent < 100) send()
    })
  }
  send()
  await eventually(() => clock.pending > 0)
  await clock.advance(1000)
  await eventually(() => seen.some(frame => frame.type === 'PING'))
  t.ok(sent < 50, `${sent} of 100 MB have been taken`)
  client.destroy()
  await eventually(async () => {
    await clock.advance(1000)
    return kept[0]?.destroyed
  })
  await served
  t.equal(clock.pending, 0)
})

t.test('what is read of one stream makes room for all', async t => {
  const kept: SpdyStream[] = []
  const { client, clock, open } = await connected(t, (transport, clock) =>
    serveSpdy(transport, { accept: stream => kept.push(stream) > 0, clock }),
  )
  await open(1, {})
  await open(3, {})
  client.write(dataFrame(1, Buffer.alloc(6_000_000), true))
  client.write(dataFrame(3, Buffer.from('hello'), true))
  await eventually(() => clock.pending > 0)
  const [one, other] = kept as [SpdyStream, SpdyStream]
  let size = 0
  for await (const chunk of one) size += (chunk as Buffer).length
  t.equal(size, 6_000_000)
  t.equal(await text(other), 'hello')
  t.equal(clock.pending, 0)
})

t.test('streams', async t => {
  const kept = new Map<number, SpdyStream>()
  const { client, served, seen, open, said, hasEnded, isReset } =
    await connected(t, (transport, clock) =>
      serveSpdy(transport, {
        accept: stream => {
          kept.set(stream.number, stream)
          return stream.headers.get('is') !== 'refused'
        },
        clock,
      }),
    )
  const stream = async (number: number): Promise<SpdyStream> => {
    await eventually(() => kept.has(number))
    return kept.get(number) as SpdyStream
  }
  await open(1, { is: 'half closed' })
  client.write(dataFrame(1, Buffer.from('question'), true))
  const one = await stream(1)
  t.equal(await text(one), 'question')
  one.end('answer')
  await eventually(() => hasEnded(1))
  t.equal(said(1), 'answer')
  await eventually(() => one.closed)
  t.notOk(isReset(1), 'what both have ended needs no word')

  await open(3, { is: 'refused' })
  await eventually(() => isReset(3))
  await open(5, { is: 'reset here' })
  ;(await stream(5)).destroy()
  await eventually(() => isReset(5))
  await open(7, { is: 'reset there' })
  const seven = await stream(7)
  client.write(rstStream(7, 5))
  await eventually(() => seven.closed)
  t.notOk(isReset(7))
  client.write(dataFrame(7, Buffer.from('late'), true))
  for (const wrong of [6, 7]) {
    await open(wrong, {})
    await eventually(() => isReset(wrong))
  }
  client.write(ping(9))
  client.write(ping(8))
  client.write(ping(11))
  await eventually(() => seen.some(each => 'id' in each && each.id === 11))
  t.strictSame(
    seen.flatMap(frame => ('id' in frame ? [frame.id] : [])),
    [9, 11],
  )
  await open(9, { is: 'left' })
  const nine = await stream(9)
  client.write(goAway)
  await open(11, { is: 'too late' })
  client.write(ping(13))
  await eventually(() => seen.some(each => 'id' in each && each.id === 13))
  t.notOk(kept.has(11))
  nine.resume().end('the last word')
  client.write(dataFrame(9, Buffer.alloc(0), true))
  await served
  await eventually(() => client.closed)
  t.equal(said(9), 'the last word')
})

for (const [title, bytes] of [
  ['headers that are none', synStream(1, Buffer.from('no such thing'))],
  ['a frame that is too large', Buffer.from('8003000100ffffff', 'hex')],
  ['a frame that is cut off', control(6)],
] as const)
  t.test(`${title}: the connection ends`, async t => {
    const kept: SpdyStream[] = []
    const { client, served, open } = await connected(t, (transport, clock) =>
      serveSpdy(transport, { accept: stream => kept.push(stream) > 0, clock }),
    )
    if (!title.startsWith('headers')) await open(1, {})
    client.write(bytes)
    await served
    t.ok(kept.every(stream => stream.destroyed))
    await eventually(() => client.closed)
  })

t.test('forwarded ports', async t => {
  const backend = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => undefined)
    const answer = async (): Promise<void> => {
      const question = await text(socket)
      socket.end(`echo ${question}`)
    }
    void answer()
  })
  const port = await listen(t, backend)
  const nobody = await freePort()
  const world = await connected(t, (transport, clock) =>
    serveForwardStreams(transport, {
      clock,
      dial: async wanted => {
        const socket = connect({ port: wanted, host, allowHalfOpen: true })
        await once(socket, 'connect')
        return socket
      },
    }),
  )
  const { client, clock, open, said, hasEnded, isReset } = world
  const pair = async (
    first: number,
    headers: Words,
    to = port,
  ): Promise<void> => {
    for (const [i, streamtype] of ['error', 'data'].entries())
      await open(first + 2 * i, { streamtype, port: String(to), ...headers })
  }
  await pair(1, { requestid: '0' })
  client.write(dataFrame(3, Buffer.from('hello'), true))
  await eventually(() => hasEnded(1) && hasEnded(3))
  t.equal(said(3), 'echo hello', 'the client ends its half first')
  t.equal(said(1), '')

  await pair(5, {})
  client.write(dataFrame(7, Buffer.from('hello'), true))
  await eventually(() => hasEnded(5) && hasEnded(7))
  t.equal(said(7), 'echo hello', 'of an old client')

  await pair(9, { requestid: '1' }, nobody)
  await eventually(() => isReset(11))
  t.match(said(9), /ECONNREFUSED/)
  t.ok(isReset(9) || hasEnded(9))

  await pair(13, { requestid: '2' })
  await eventually(() => world.seen.some(each => each.type === 'HEADERS'))
  client.write(rstStream(15, 5))
  await eventually(() => hasEnded(13))
  t.equal(said(13), '', 'who gives up is told nothing')

  let last = 15
  for (const headers of [
    {},
    { port: '1' },
    { port: '0', streamtype: 'data' },
    { port: '65536', streamtype: 'data' },
    { port: '1', streamtype: 'other' },
  ]) {
    last += 2
    await open(last, headers)
    await eventually(() => isReset(last))
  }
  await open(27, { port: '1', streamtype: 'data', requestid: 'a' })
  await open(29, { port: '1', streamtype: 'data', requestid: 'a' })
  await eventually(() => isReset(29))
  t.notOk(isReset(27))
  await clock.advance(30_000)
  await eventually(() => isReset(27))
  t.equal(clock.pending, 0)

  await t.test('as kubectl asks for them', async t => {
    const asked: number[] = []
    const sockets: Socket[] = []
    const { client, served, said, hasEnded } = await connected(
      t,
      (transport, clock) =>
        serveForwardStreams(transport, {
          clock,
          dial: async wanted => {
            asked.push(wanted)
            const socket = connect({ port, host, allowHalfOpen: true })
            sockets.push(socket)
            await once(socket, 'connect')
            return socket
          },
        }),
    )
    client.write(ofKubectl)
    await eventually(() => [1, 3, 5, 7].every(hasEnded))
    t.strictSame([said(3), said(7)], ['echo AAAAA', 'echo AAAAA'])
    t.strictSame(asked, [7801, 7801])
    client.end()
    await served
    await eventually(() => sockets.every(socket => socket.destroyed))
  })
})
