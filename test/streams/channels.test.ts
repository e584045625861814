import { PassThrough, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import {
  serveStreams,
  streamsOver,
  tellEnd,
} from '../../src/streams/channels.ts'
import type {
  ContainerStreams,
  StreamsEnd,
  TerminalSize,
} from '../../src/streams/container-streams.ts'
import type { Wire } from '../../src/streams/wire.ts'
import { deferred } from '../../src/util/deferred.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { memoryWires } from '../helpers/memory-wires.ts'

/*
 * Both sides of the remote command protocol, with a program that the test plays.
 */

const settle = () => new Promise<void>(resolve => setImmediate(resolve))
const all = { stdin: true, stdout: true, stderr: true }

function program(more: Partial<ContainerStreams> = {}) {
  const ended = deferred<StreamsEnd>()
  const sizes: TerminalSize[] = []
  const stdin = new PassThrough()
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  let hungUp = 0
  const streams: ContainerStreams = {
    stdin,
    stdout,
    stderr,
    resize: size => sizes.push(size),
    ended: ended.promise,
    hangUp: () => (hungUp += 1),
    ...more,
  }
  return {
    streams,
    stdin,
    stdout,
    stderr,
    sizes,
    hungUp: () => hungUp,
    end: (end: StreamsEnd) => {
      stdout.end()
      stderr.end()
      ended.resolve(end)
    },
  }
}

/** All that comes at one end of a wire: `CHANNEL TEXT`. */
function said(wire: Wire): string[] {
  const words: string[] = []
  wire.receive((channel, bytes) => {
    words.push(`${channel} ${bytes.toString()}`)
    return undefined
  })
  return words
}

const serve = (
  wire: Wire,
  streams: ContainerStreams,
  clock = new FakeClock(),
) => serveStreams(wire, streams, { format: 'json', clock })

t.test('input, both outputs, and the exit code', async t => {
  const [server, client] = memoryWires()
  const run = program()
  const served = serve(server, run.streams)
  const streams = streamsOver(client, all)
  const outputs = Promise.all([
    text(streams.stdout as PassThrough),
    text(streams.stderr as PassThrough),
  ])
  streams.stdin?.write('in ')
  streams.stdin?.end('put')
  t.equal(await text(run.stdin), 'in put', 'to its end')
  run.stdout.write('out')
  run.stderr.write('err')
  run.end({ exitCode: 3 })
  t.strictSame(await outputs, ['out', 'err'])
  t.strictSame(await streams.ended, { exitCode: 3 })
  await served
  await client.closed
})

t.test('only what was asked for is there', async t => {
  const [, client] = memoryWires()
  t.match(streamsOver(client, { stdin: false, stdout: false, stderr: false }), {
    stdin: undefined,
    stdout: undefined,
    stderr: undefined,
  })
  const [server, other] = memoryWires()
  const words = said(other)
  const run = program()
  const { stdin: _, stderr: __, ...streams } = run.streams
  const served = serve(server, streams)
  await other.send(0, Buffer.from('nobody reads this'))
  await other.send(255, Buffer.of(0))
  await other.send(9, Buffer.from('no such channel'))
  run.stdout.write('out')
  run.end({ exitCode: 0 })
  await served
  await other.closed
  t.strictSame(words, ['1 ', '1 out', '3 {"metadata":{},"status":"Success"}'])
})

t.test('that it has been started is told where somebody reads', async t => {
  for (const [kept, channel] of [
    [['stdout', 'stderr'], 1],
    [['stderr'], 2],
    [[], 3],
  ] as const) {
    const [server, client] = memoryWires()
    const words = said(client)
    const run = program()
    const { stdout, stderr, ...streams } = run.streams
    const outputs = Object.fromEntries(
      Object.entries({ stdout, stderr }).filter(([name]) =>
        kept.some(each => each === name),
      ),
    )
    const served = serve(server, { ...streams, ...outputs })
    await settle()
    t.strictSame(words, [`${channel} `])
    run.end({ exitCode: 0 })
    await served
  }
})

t.test('the size of a terminal', async t => {
  const [server, client] = memoryWires()
  const run = program()
  const served = serve(server, run.streams)
  const streams = streamsOver(client, all)
  streams.resize({ columns: 80, rows: 24 })
  for (const wrong of [
    '{',
    'null',
    '{}',
    '{"Width":-1,"Height":1}',
    '{"Width":1,"Height":-1}',
    '{"Width":65536,"Height":1}',
    '{"Width":1,"Height":65536}',
    '{"Width":1.5,"Height":1}',
    '{"Width":"1","Height":1}',
  ])
    await client.send(4, Buffer.from(wrong))
  streams.resize({ columns: 0, rows: 65_535 })
  await settle()
  run.end({ exitCode: 0 })
  await served
  t.strictSame(run.sizes, [
    { columns: 80, rows: 24 },
    { columns: 0, rows: 65_535 },
  ])
})

t.test('whoever leaves hangs up', async t => {
  const [server, client] = memoryWires()
  const run = program()
  const served = serve(server, run.streams)
  const streams = streamsOver(client, all)
  await settle()
  t.equal(run.hungUp(), 0)
  streams.hangUp()
  await settle()
  t.equal(run.hungUp(), 1)
  t.strictSame(await streams.ended, {
    error: 'the connection to the container was lost',
  })
  t.equal(await text(streams.stdout as PassThrough), '', 'its outputs end')
  run.end({ exitCode: 0 })
  await served
})

t.test('the end as text, before v4', async t => {
  const told = async (end: StreamsEnd): Promise<readonly string[]> => {
    const [server, client] = memoryWires()
    const words = said(client)
    await tellEnd(server, end, 'text')
    await client.closed
    return words
  }
  t.strictSame(await told({ exitCode: 0 }), [])
  t.strictSame(await told({ exitCode: 7 }), ['3 exit code 7'])
  t.strictSame(await told({ error: 'no such file' }), ['3 no such file'])
})

t.test('input that nobody takes is waited for, and it is asked', async t => {
  const clock = new FakeClock()
  const [server, client] = memoryWires()
  let take = (): void => undefined
  const stdin = new Writable({
    highWaterMark: 1,
    write: (_, __, done) => (take = done),
  })
  const run = program({ stdin })
  const served = serve(server, run.streams, clock)
  const words = said(client)
  await client.send(0, Buffer.from('ab'))
  await client.send(4, Buffer.from('{"Width":1,"Height":1}'))
  await settle()
  t.strictSame(words, ['1 '])
  for (const count of [2, 3]) {
    await clock.advance(999)
    await settle()
    t.equal(words.length, count - 1)
    await clock.advance(1)
    await settle()
    t.strictSame(words, Array(count).fill('1 '), 'once a second')
  }
  t.strictSame(run.sizes, [], 'what comes after it waits')
  take()
  await settle()
  t.equal(run.sizes.length, 1)
  await clock.advance(5000)
  await settle()
  t.equal(words.length, 3, 'and nobody is asked any more')
  run.end({ exitCode: 0 })
  await served
})
