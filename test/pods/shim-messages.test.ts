import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { keyOf } from '../../src/api/object-key.ts'
import { environmentObjects } from '../../src/pods/shim/environment-objects.ts'
import { MessageStream } from '../../src/pods/shim/message-stream.ts'
import { HandedProbes } from '../../src/pods/shim/handed-probes.ts'
import {
  type FromShim,
  lookingMs,
  protocolVersion,
  type ToShim,
} from '../../src/pods/shim/messages.ts'
import { PodShim } from '../../src/pods/shim/pod-shim.ts'
import { ShimClient } from '../../src/pods/shim/shim-client.ts'
import { WatchedProbes } from '../../src/pods/shim/watched-probes.ts'
import { fromWire, toWire } from '../../src/pods/shim/wire.ts'
import type {
  Look,
  WellProbe,
} from '../../src/runner/lifecycle/probes/lookout.ts'
import type { PodStatus } from '../../src/runner/status/pod-status.ts'
import { SessionRecord } from '../../src/server/session-record.ts'
import { systemClock } from '../../src/util/clock.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { host, http } from '../helpers/loopback-server.ts'
import { eventually } from '../helpers/podfs.ts'
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

const well = (port: number): WellProbe => ({
  dial: { httpGet: { path: '/', scheme: 'HTTP', host, port } },
  periodSeconds: 10,
  timeoutSeconds: 1000,
  due: 10_000,
  step: 0,
})

t.test('the shim hands out what is well, and takes it back', async t => {
  const clock = new FakeClock(0)
  const said: string[] = []
  const shim = new HandedProbes(clock, message => {
    if ('probe' in message) said.push(`${message.say} ${message.probe}`)
  })
  const on = new AbortController().signal
  const stop = new AbortController()
  const look: Look = {
    moment: 20_000,
    outcome: { outcome: 'failure', output: 'no' },
  }
  const first = shim.hand(well(1), on)
  const second = shim.hand(well(1), stop.signal)
  const third = shim.hand(well(1), on)
  shim.looked(1, look)
  t.strictSame(await first, look)
  stop.abort()
  t.equal(await second, undefined)
  shim.looked(2, look)
  t.strictSame(said.splice(0), ['look 1', 'look 2', 'look 3', 'leave 2'])
  t.equal(shim.hand(well(1), stop.signal), undefined, 'its end has come')

  await clock.advance(lookingMs)
  shim.looking()
  await clock.advance(2 * lookingMs)
  t.strictSame(said, [], 'podfs looks')
  await clock.advance(lookingMs)
  t.equal(await third, undefined, 'podfs hangs')
  t.strictSame(said.splice(0), ['leave 3'])
  shim.looked(3, look)
  t.equal(shim.hand(well(1), on), undefined, 'and gets nothing')
  shim.looking()
  const last = shim.hand(well(1), on)
  t.strictSame(said, ['look 4'], 'until it is there again')
  shim.end()
  t.equal(await last, undefined, 'podfs is gone')
  t.equal(clock.pending, 0)
})

t.test('podfs looks until a look is not well, or it is told', async t => {
  let status = 200
  let asked = 0
  const port = await http(t, (_, response) => {
    asked++
    response.writeHead(status).end()
  })
  const clock = new FakeClock(0)
  const said: ToShim[] = []
  const podfs = new WatchedProbes(clock, message => said.push(message))
  const until = (isSo: () => boolean): Promise<unknown> =>
    eventually(async () => {
      await clock.advance(1000)
      return isSo()
    })
  podfs.watch(1, well(port))
  await clock.advance(9999)
  t.equal(asked, 0)
  await until(() => asked >= 3)
  status = 503
  await until(() => said.some(({ say }) => say === 'looked'))
  const looked = said.find(message => message.say === 'looked')
  t.match(looked, {
    probe: 1,
    look: {
      outcome: {
        outcome: 'failure',
        output: 'HTTP probe failed with statuscode: 503',
      },
    },
  })
  t.equal(Number(looked?.look.moment) % 10_000, 0)
  t.equal(clock.pending, 0, 'and then no more')

  status = 200
  podfs.watch(2, { ...well(port), due: clock.elapsed() })
  podfs.watch(3, { ...well(port), due: clock.elapsed() + 1000 })
  said.length = 0
  await until(() => said.some(({ say }) => say === 'looking'))
  podfs.leave(2)
  podfs.leave(2)
  podfs.end()
  await clock.advance(0)
  t.equal(clock.pending, 0)
  t.ok(said.every(({ say }) => say === 'looking'))
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
