import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { keyOf } from '../../src/api/object-key.ts'
import { environmentObjects } from '../../src/pods/shim/environment-objects.ts'
import { MessageStream } from '../../src/pods/shim/message-stream.ts'
import {
  type FromShim,
  protocolVersion,
  type ToShim,
} from '../../src/pods/shim/messages.ts'
import { PodShim } from '../../src/pods/shim/pod-shim.ts'
import { ShimClient } from '../../src/pods/shim/shim-client.ts'
import { fromWire, toWire } from '../../src/pods/shim/wire.ts'
import type { PodStatus } from '../../src/runner/status/pod-status.ts'
import { SessionRecord } from '../../src/server/session-record.ts'
import { systemClock } from '../../src/util/clock.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'
import { makeConfigMap, makePod, makeSecret } from '../helpers/make-objects.ts'
import type { ContainerLog } from '../../src/server/container-log.ts'

/*
 * What podfs and a pod shim say to each other, and what of it has to arrive as it was.
 */

function sent(value: unknown): unknown {
  return fromWire(JSON.parse(JSON.stringify(toWire(value))))
}

t.test('what JSON has not arrives all the same', async t => {
  const value = {
    map: new Map<string, unknown>([
      ['__proto__', new Map([['a', 1]])],
      ['bytes', Buffer.from([0, 10, 255])],
    ]),
    list: [undefined, null, 'text', { deep: Buffer.from('x') }],
    nothing: {},
  }
  t.strictSame(sent(value), { ...value, list: [null, ...value.list.slice(1)] })
  t.strictSame(sent({ view: Buffer.from('abcdef').subarray(2, 4) }), {
    view: Buffer.from('cd'),
  })
})

/** The two ends of one socket. */
async function ends(t: Test): Promise<readonly [Socket, Socket]> {
  const server = createServer()
  t.teardown(() => server.close())
  const file = `${await makeTmpfsDirectory(t)}/s`
  server.listen(file)
  await once(server, 'listening')
  const one = createConnection(file)
  const [other] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => one.destroy())
  return [one, other]
}

t.test('messages come whole and in order, however they are cut', async t => {
  const [one, other] = await ends(t)
  const got: unknown[] = []
  const all = [
    'a\nb',
    'ü'.repeat(100_000),
    { chunk: Buffer.alloc(300_000, 7) },
    1,
  ]
  await new Promise<void>(resolve => {
    void new MessageStream(other, message => {
      got.push(message)
      if (got.length === all.length + 2) resolve()
    })
    const stream = new MessageStream(one, () => undefined)
    for (const message of all) stream.send(message)
    one.write('1')
    one.write('2\n"x')
    one.write('y"\n')
  })
  t.strictSame(got, [...all, 12, 'xy'])
})

t.test('one that does not read is behind, and catches up', async t => {
  const [one, other] = await ends(t)
  other.pause()
  const stream = new MessageStream(one, () => undefined)
  const drained = new Promise<void>(resolve => stream.onDrain(resolve))
  t.notOk(stream.isBehind)
  stream.send('x'.repeat(6 * 1024 * 1024))
  t.ok(stream.isBehind)
  other.resume()
  await drained
  t.notOk(stream.isBehind)
  other.destroy()
  await stream.closed
  stream.send('to nobody')
})

t.test('a record goes on where another one was', async t => {
  const pod = makePod({})
  const key = keyOf(pod)
  const first = new SessionRecord(systemClock)
  const running = first.pod(pod)
  running.event({ type: 'Normal', reason: 'Started', message: 'it has' })
  running.event({ type: 'Normal', reason: 'Started', message: 'it has' })
  running.output('c', 'id1', 'stdout', Buffer.from('old\n'), 1)
  running.outputEnd('c', 'id1', 2)
  for (let line = 0; line < 200_000; line++)
    running.output('c', 'id2', 'stdout', Buffer.from(`line ${line}\n`), 3)
  running.output('c', 'id2', 'stderr', Buffer.from('half'), 4)
  running.terminating(30)

  const second = new SessionRecord(systemClock)
  const kept = sent(first.keptOf(key)) as ReturnType<typeof first.keptOf>
  const next = second.pod(pod, kept)
  t.strictSame(second.events, first.events)
  t.strictSame(second.pods.get(key)?.deletion, first.pods.get(key)?.deletion)
  const linesOf = (log: ContainerLog | undefined, from = 0) => [
    ...(log?.since(from) ?? []),
  ]
  t.strictSame(
    linesOf(second.log(key, 'c', 'id1')),
    linesOf(first.log(key, 'c', 'id1')),
  )
  t.equal(second.log(key, 'c', 'id1')?.hasEnded, true)
  const logs = [first, second].map(record => record.log(key, 'c', 'id2'))
  t.ok(linesOf(logs[0]).length < 200_000, 'the oldest are forgotten')
  const textOf = (log: ContainerLog | undefined): string =>
    linesOf(log)
      .map(({ text }) => text)
      .join('\n')
  t.ok(textOf(logs[1]) === textOf(logs[0]), 'all others are kept')
  t.equal(logs[1]?.end, 200_000)
  next.output('c', 'id2', 'stderr', Buffer.from(' and half\n'), 5)
  t.match(linesOf(logs[1], 200_000), [{ text: Buffer.from('half and half') }])

  next.terminating(60)
  t.equal(
    second.pods.get(key)?.deletion?.gracePeriodSeconds,
    30,
    'a later call can only shorten it',
  )
})

t.test('a shim that nobody follows can be ended', async t => {
  const [one, other] = await ends(t)
  const pod = makePod({})
  const record = new SessionRecord(systemClock)
  record.pod(pod)
  const status = { phase: 'Failed' } as PodStatus
  const told: string[] = []
  const shim = new MessageStream<ToShim, unknown>(other, ({ say }) => {
    told.push(say)
    if (say === 'terminate') shim.send({ say: 'finished', status })
    if (say === 'close') shim.close()
  })
  const client = new ShimClient(one, {
    // Nobody has this number any more.
    identity: { pid: process.pid, startTime: 0 },
    streamsSocket: '/nonexistent',
    clock: systemClock,
    logger: silentLogger,
  })
  shim.send({
    say: 'hello',
    protocol: protocolVersion,
    running: {
      plan: { pod },
      isTerminating: false,
      record: record.keptOf(keyOf(pod)),
      processes: new Map([['c', 4711]]),
    },
  })
  const running = await client.greeted
  t.strictSame(
    running?.plan.pod.source.positionOf('spec'),
    { path: pod.source.path, line: pod.source.line, column: pod.source.column },
    'mistakes are told with the place of the Pod',
  )
  t.equal(client.processes().get('c'), 4711)
  // More than anybody takes: five times what may wait.
  for (let line = 0; line < 20_000; line++)
    shim.send({ say: 'notice', text: 'x'.repeat(1000) })
  t.ok(shim.isBehind, 'what it says meanwhile does not pile up here')
  await client.end()
  t.strictSame(told, ['terminate', 'close'])
  t.strictSame(await client.finished, status)
})

t.test('another version of the protocol is refused', async t => {
  const [one, other] = await ends(t)
  const client = new ShimClient(one, {
    identity: { pid: process.pid, startTime: 0 },
    streamsSocket: '/nonexistent',
    clock: systemClock,
    logger: silentLogger,
  })
  other.write(`{"say":"hello","protocol":${protocolVersion + 1}}\n`)
  await t.rejects(client.greeted, { message: /version/ })
})

t.test('the shim gets what variables name, and nothing else', t => {
  const container = {
    name: 'c',
    env: [
      {
        name: 'A',
        valueFrom: { secretKeyRef: { name: 's', key: 'k', optional: false } },
      },
      {
        name: 'B',
        valueFrom: {
          configMapKeyRef: { name: 'gone', key: 'k', optional: true },
        },
      },
    ],
    envFrom: [{ prefix: '', configMapRef: { name: 'c', optional: false } }],
  }
  const base = makePod({})
  const [template] = base.spec.containers
  if (template === undefined) throw new Error('a Pod has a container')
  const pod = {
    ...base,
    spec: { ...base.spec, containers: [{ ...template, ...container }] },
  }
  const secret = makeSecret({ name: 's' })
  const configMap = makeConfigMap({ name: 'c' })
  const objects = environmentObjects(pod, {
    secret: name => (name === 's' ? secret : undefined),
    configMap: name => (name === 'c' ? configMap : undefined),
  })
  t.strictSame(objects, [secret, configMap])
  t.end()
})

t.test('podfs hears of a mistake in the shim', async t => {
  const [one, other] = await ends(t)
  const shim = new PodShim(systemClock)
  const heard: FromShim[] = []
  await new Promise<void>(resolve => {
    void new MessageStream<FromShim, ToShim>(one, message => {
      heard.push(message)
      if (heard.length === 2) resolve()
    })
    shim.accept(other)
    shim.tellDefect(new Error('a defect'))
  })
  t.match(heard, [
    { say: 'hello' },
    {
      say: 'log',
      level: 'error',
      message: 'internal error',
      facts: { err: { message: 'a defect', stack: /shim-messages/ } },
    },
  ])
})
