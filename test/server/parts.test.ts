import t from 'tap'
import { ContainerLog } from '../../src/server/container-log.ts'
import { EventLog } from '../../src/server/event-log.ts'
import { LatencyHistogram } from '../../src/server/latency-histogram.ts'
import {
  ObjectCache,
  Revisions,
  type ObjectState,
} from '../../src/server/object-cache.ts'
import { readLog, selectLines } from '../../src/server/pod-log.ts'
import { requestInfo } from '../../src/server/request-info.ts'
import { labelMatcher, parseFieldSelector } from '../../src/server/selectors.ts'

t.test('paths of the API, as the API server reads them', async t => {
  const core = { group: '', version: 'v1' }
  for (const [path, info] of [
    ['/api/v1/pods', { ...core, resource: 'pods' }],
    [
      '/api/v1/namespaces/shop/pods/web',
      { ...core, namespace: 'shop', resource: 'pods', name: 'web' },
    ],
    [
      '/api/v1/namespaces/shop/pods/web/log',
      {
        ...core,
        namespace: 'shop',
        resource: 'pods',
        name: 'web',
        subresource: 'log',
      },
    ],
    ['/api/v1/namespaces', { ...core, resource: 'namespaces' }],
    [
      '/api/v1/namespaces/shop',
      { ...core, resource: 'namespaces', name: 'shop' },
    ],
    [
      '/apis/podfs.io/v1/volumes',
      { group: 'podfs.io', version: 'v1', resource: 'volumes' },
    ],
    ['/api/v1/nodes/a%2Fb', { ...core, resource: 'nodes', name: 'a/b' }],
    ['/api/v1/nodes/%zz', { ...core, resource: 'nodes', name: '%zz' }],
    ['/api/v1', undefined],
    ['/apis', undefined],
    ['/healthz', undefined],
    ['/', undefined],
  ] as const)
    t.strictSame(requestInfo(path), info, path)
})

t.test('label selectors: the grammar is tested in test/api', async t => {
  t.ok(labelMatcher('app in (web)')(new Map([['app', 'web']])))
  t.throws(() => labelMatcher('a=b=c'), { code: 400, reason: 'BadRequest' })
})

t.test('field selectors', async t => {
  const known = new Set(['metadata.name', 'status.phase'])
  const fields = new Map([
    ['metadata.name', 'a,b'],
    ['status.phase', 'Running'],
  ])
  for (const [text, matches] of [
    ['', true],
    ['status.phase=Running', true],
    ['status.phase!=Running', false],
    [String.raw`metadata.name=a\,b,status.phase==Running`, true],
    ['metadata.name=', false],
  ] as const)
    t.equal(parseFieldSelector(text, known)(fields), matches, text)
  t.throws(() => parseFieldSelector('spec.x=1', known), {
    code: 400,
    message: 'field label not supported: spec.x',
  })
  t.throws(() => parseFieldSelector('status.phase', known), { code: 400 })
})

t.test(
  'a cache forgets its oldest history, by number and by bytes',
  async t => {
    const state = (name: string, bytes?: number): ObjectState => ({
      namespace: 'a',
      name,
      labels: new Map(),
      fields: new Map(),
      json: () => ({ metadata: { name } }),
      ...(bytes === undefined ? {} : { bytes }),
    })
    const cache = new ObjectCache(new Revisions(1000))
    cache.set(state('x'))
    cache.set(state('x'))
    cache.delete('a', 'x')
    cache.delete('a', 'x')
    t.strictSame(
      cache
        .since(1000)
        ?.map(({ type, object }) => `${type} ${object.resourceVersion}`),
      ['ADDED 1001', 'MODIFIED 1002', 'DELETED 1003'],
    )
    t.equal(cache.since(999), undefined, 'of the podfs before')
    t.equal(cache.since(1004), undefined, 'of a podfs to come')
    t.strictSame(cache.since(1003), [])
    for (let i = 0; i < 1001; i++) cache.set(state('y'))
    t.equal(cache.since(1003), undefined)
    t.equal(cache.since(1004)?.length, 1000)
    cache.set(state('big', 5 * 1024 * 1024))
    t.strictSame(cache.since(2004), undefined)
    t.strictSame(cache.since(cache.resourceVersion), [])
    t.same(cache.get('a', 'big')?.json()['metadata'], {
      name: 'big',
      resourceVersion: '2005',
    })
  },
)

function linesOf(log: ContainerLog): string[] {
  return [...log.since(0)].map(
    ({ text, isPartial }) => text.toString() + (isPartial ? '' : '$'),
  )
}

t.test('a log has whole lines, and completes the last one', async t => {
  const log = new ContainerLog()
  log.push('stdout', Buffer.from('a\nb'), 1)
  log.push('stderr', Buffer.from('err\n'), 2)
  t.strictSame(linesOf(log), ['a$', 'err$'])
  log.push('stdout', Buffer.from('c\n\nd'), 3)
  log.close(4)
  t.strictSame(linesOf(log), ['a$', 'err$', 'bc$', '$', 'd$'])
  t.ok(log.hasEnded)
})

async function countOf(log: ContainerLog, tailLines: number): Promise<number> {
  let count = 0
  for await (const _ of selectLines(readLog(log), {
    tailLines,
    since: undefined,
  }))
    count += 1
  return count
}

t.test('a long line comes in pieces of 16 KiB', async t => {
  const log = new ContainerLog()
  log.push('stdout', Buffer.from(`${'x'.repeat(40_000)}\ny\n`), 1)
  t.strictSame(
    [...log.since(0)].map(({ text, isPartial }) => [text.length, isPartial]),
    [
      [16384, true],
      [16384, true],
      [40_000 - 2 * 16384, false],
      [1, false],
    ],
  )
  t.equal(await countOf(log, 2), 4)
  t.equal(await countOf(log, 1), 1)
})

t.test('a log keeps its newest MiB, whatever the lines are', async t => {
  const MiB = 1024 * 1024
  for (const { length, everyMs, mostTimes } of [
    { length: 0, everyMs: 1, mostTimes: 2.2 },
    // A second apart.
    { length: 0, everyMs: 1000, mostTimes: 3.3 },
    { length: 1, everyMs: 1, mostTimes: 1.7 },
    { length: 10, everyMs: 0, mostTimes: 1.3 },
    { length: 100, everyMs: 1, mostTimes: 1.2 },
    { length: 10_000, everyMs: 1, mostTimes: 1.2 },
    // Pieces of 16 KiB leave room in a block.
    { length: 100_000, everyMs: 1, mostTimes: 1.4 },
  ]) {
    const log = new ContainerLog()
    const line = Buffer.from(`${'x'.repeat(length)}\n`)
    const count = Math.ceil(((length < 2 ? 1.3 : 3) * MiB) / line.length)
    for (let i = 0; i < count; i++) log.push('stdout', line, i * everyMs)
    let text = 0
    let last = -1
    for (const {
      time,
      text: { length },
      isPartial,
    } of log.since(0)) {
      text += length + (isPartial ? 0 : 1)
      last = time
    }
    t.ok(text >= MiB && text < MiB + 128 * 1024, `${length}: ${text} of text`)
    t.equal(last, (count - 1) * everyMs)
    const { blocks } = log.state
    const memory = blocks.reduce((sum, { bytes }) => {
      return sum + bytes.buffer.byteLength
    }, 0)
    t.ok(memory < mostTimes * MiB, `${length}: ${memory} in memory`)
    t.strictSame([...log.since(log.end)], [])
    t.equal([...log.since(log.end - 1)].length, 1)
  }
})

t.test('a log is bounded, whatever it costs to keep its times', async t => {
  const log = new ContainerLog()
  const days = 86_400_000 * 100_000
  let last = 0
  for (let i = 0; i < 800_000; i++) {
    last = (i % 2) * days
    log.push('stdout', Buffer.from('\n'), last)
  }
  const { blocks } = log.state
  const memory = blocks.reduce((sum, { bytes }) => {
    return sum + bytes.buffer.byteLength
  }, 0)
  t.ok(memory <= 4 * 1024 * 1024, `${memory} in memory`)
  t.equal([...log.since(log.end - 1)][0]?.time, last)
})

t.test('a container that prints a line costs no block', async t => {
  const log = new ContainerLog()
  log.push('stdout', Buffer.from('listening\n'), 1)
  t.equal(log.state.blocks[0]?.bytes.buffer.byteLength, 512)
})

t.test('whoever reads a log gets what was there when he began', async t => {
  const log = new ContainerLog()
  const line = (i: number) => Buffer.from(`${i}`.padEnd(999, '.') + '\n')
  for (let i = 0; i < 1000; i++) log.push('stdout', line(i), 2000 - i)
  const reading = log.since(0)[Symbol.iterator]()
  t.match(String(reading.next().value.text), /^0\./)
  for (let i = 1000; i < 5000; i++) log.push('stdout', line(i), i)
  const rest = [...{ [Symbol.iterator]: () => reading }]
  t.equal(rest.length, 999, 'nothing of it is forgotten meanwhile')
  t.match(String(rest.at(-1)?.text), /^999\./)
  t.equal(rest.at(-1)?.time, 1001, 'the clock was set back')
  // One that follows it goes on there, or with the oldest that there is.
  const [next] = log.since(1000)
  t.match(String(next?.text), /^39\d\d\./)
  t.equal([...log.since(4998)].length, 2)
})

t.test('a log goes on where another one was', async t => {
  const one = new ContainerLog()
  one.push('stdout', Buffer.from('a\nb\nhalf'), 5)
  const other = new ContainerLog()
  other.goOnWith(one.state)
  other.push('stdout', Buffer.from(' line\n'), 4)
  t.strictSame(linesOf(other), ['a$', 'b$', 'half line$'])
  t.strictSame(
    [...other.since(1)].map(({ time }) => time),
    [5, 4],
  )
  t.strictSame(linesOf(one), ['a$', 'b$'])
})

t.test('equal events count, and old ones go', async t => {
  const changes: string[] = []
  const log = new EventLog((type, { message, count }) =>
    changes.push(`${type} ${message} x${count}`),
  )
  const involvedObject = { kind: 'Pod', namespace: 'a', name: 'web', uid: 'u' }
  const event = (message: string) => ({
    type: 'Normal' as const,
    reason: 'R',
    message,
    involvedObject,
  })
  const hour = 3_600_000
  log.record(event('one'), 0)
  log.record(event('two'), 1)
  log.record(event('one'), 2)
  log.record(event('three'), hour + 1)
  t.strictSame(changes, [
    'set one x1',
    'set two x1',
    'set one x2',
    'delete two x1',
    'set three x1',
  ])
  const names = log.events.map(({ name }) => name)
  t.equal(new Set(names).size, names.length)
  t.match(names[0], /^web\.[0-9a-f]+$/)
  for (let i = 0; i < 2000; i++) log.record(event(`n${i}`), hour + 2)
  t.equal(log.events.length, 1000)
})

t.test('a histogram counts up to each bound', async t => {
  const histogram = new LatencyHistogram()
  for (const seconds of [0.0005, 0.02, 100]) histogram.observe(seconds)
  const counts = new Map(histogram.buckets)
  t.equal(counts.get(0.001), 1)
  t.equal(counts.get(0.025), 2)
  t.equal(counts.get(5), 2)
  t.equal(counts.get('+Inf'), 3)
})
