import t from 'tap'
import { HistoryBudget } from '../../src/volumes/history-budget.ts'
import { isConfidential } from '../../src/volumes/payload-changes.ts'
import { VolumeHistory } from '../../src/volumes/volume-history.ts'
import type { FileOrigin, Payload } from '../../src/writer/payload.ts'

const app = { kind: 'ConfigMap', name: 'app' } as const
const db = { kind: 'Secret', name: 'db' } as const
const account = { kind: 'ServiceAccount', name: 'default' } as const

function payload(
  files: Readonly<Record<string, string>>,
  origin: FileOrigin = app,
): Payload {
  return new Map(
    Object.entries(files).map(([path, text]) => [
      path,
      { data: Buffer.from(text), mode: 0o644, origin },
    ]),
  )
}

/** A ConfigMap's files and a token. */
function withToken(files: Readonly<Record<string, string>>, token: string) {
  return new Map([...payload(files), ...payload({ token }, account)])
}

/** What the volume is to show is what it shows. */
function publish(history: VolumeHistory, offered?: Payload): void {
  if (offered !== undefined) history.offer(offered)
  if (history.wanted !== undefined) history.published(history.wanted, 1000)
}

function shown(history: VolumeHistory): Record<string, string> {
  return Object.fromEntries(
    [...(history.current?.payload ?? [])].map(([path, { data }]) => [
      path,
      Buffer.from(data).toString(),
    ]),
  )
}

const numbers = (history: VolumeHistory) =>
  history.generations.map(({ generation }) => generation)

t.test('what a generation has changed, and what gave it', async t => {
  for (const { name, before, after, changes, origins } of [
    {
      name: 'the first one',
      before: undefined,
      after: payload({ b: '1', a: '1' }),
      changes: { added: ['a', 'b'], changed: [], removed: [] },
      origins: [app],
    },
    {
      name: 'added, changed and removed',
      before: payload({ gone: '1', away: '1', same: '1', other: '1' }),
      after: payload({ new: '1', same: '1', other: '2' }),
      changes: {
        added: ['new'],
        changed: ['other'],
        removed: ['away', 'gone'],
      },
      origins: [app],
    },
    {
      name: 'only the source whose file changed is named',
      before: new Map([...payload({ a: '1' }), ...payload({ p: '1' }, db)]),
      after: new Map([...payload({ a: '1' }), ...payload({ p: '2' }, db)]),
      changes: { added: [], changed: ['p'], removed: [] },
      origins: [db],
    },
    {
      name: 'an empty volume',
      before: undefined,
      after: payload({}),
      changes: { added: [], changed: [], removed: [] },
      origins: [],
    },
  ])
    t.test(name, async t => {
      const history = new VolumeHistory()
      if (before !== undefined) publish(history, before)
      publish(history, after)
      t.strictSame(history.current?.changes, changes)
      t.strictSame(history.current?.origins, origins)
      t.equal(history.current?.generation, before === undefined ? 1 : 2)
    })
})

t.test('the same bytes are no generation', async t => {
  const history = new VolumeHistory()
  publish(history, payload({ a: '1' }))
  publish(history, payload({ a: '1' }))
  t.strictSame(numbers(history), [1])
})

t.test('is not settled before it shows what the sources say', async t => {
  const history = new VolumeHistory()
  t.equal(history.isSettled, false, 'they have said nothing')
  history.offer(payload({ a: '1' }))
  t.equal(history.isSettled, false, 'nothing is shown')
  history.published(payload({ a: '1' }))
  t.equal(history.isSettled, true)
})

t.test('a rollback', async t => {
  const history = new VolumeHistory()
  for (const colour of ['blue', 'red', 'green'])
    publish(history, payload({ colour }))
  t.equal(history.rollBack(1), true)
  t.equal(history.isSettled, false, 'it is not written yet')
  publish(history)
  t.equal(history.isSettled, true)
  t.strictSame(shown(history), { colour: 'blue' })
  t.match(history.current, { generation: 4, rollbackTo: 1 })
  t.equal(history.pinned, 1)

  t.test('holds while the sources say the same', async t => {
    publish(history, payload({ colour: 'green' }))
    t.equal(history.pinned, 1)
    t.strictSame(shown(history), { colour: 'blue' })
  })
  t.test('to what is shown already does nothing', async t => {
    t.equal(history.rollBack(1), false)
    t.equal(history.rollBack(4), false)
    t.equal(history.pinned, 1)
  })
  t.test('to another one while it is pinned', async t => {
    t.equal(history.rollBack(2), true)
    publish(history)
    t.equal(history.pinned, 2)
    t.strictSame(shown(history), { colour: 'red' })
  })
  t.test('to what the sources say is none', async t => {
    t.equal(history.rollBack(3), true)
    publish(history)
    t.equal(history.pinned, undefined)
    t.strictSame(shown(history), { colour: 'green' })
    t.equal(history.unpin(), false)
  })
  t.test('ends by unpin', async t => {
    history.rollBack(1)
    publish(history)
    t.equal(history.unpin(), true)
    publish(history)
    t.strictSame(shown(history), { colour: 'green' })
    t.equal(history.current?.rollbackTo, undefined)
  })
  t.test('ends with the next change of the sources', async t => {
    history.rollBack(1)
    publish(history)
    publish(history, payload({ colour: 'black' }))
    t.equal(history.pinned, undefined)
    t.strictSame(shown(history), { colour: 'black' })
  })
  t.test('of a generation that is not kept', async t => {
    t.throws(() => history.rollBack(99), {
      code: 'VOLUME_NO_GENERATION',
      message:
        'generation 99 is not kept; there are 1, 2, 3, 4, 5, 6, 7, 8, 9, 10',
    })
    const young = new VolumeHistory()
    publish(young, payload({ colour: 'blue' }))
    t.throws(() => young.rollBack(2), {
      message: 'generation 2 is not kept; there is 1',
    })
  })
})

t.test('a volume that was adopted from another podfs', async t => {
  const history = new VolumeHistory()
  history.published(withToken({ a: '1' }, 'first'))
  history.published(withToken({ a: '2' }, 'second'), 2000)
  t.strictSame(
    history.generations.map(({ publishedAt }) => publishedAt),
    [undefined, 2000],
  )
  t.notOk('publishedAt' in history.get(1), 'nobody knows when')
  t.equal(history.isSettled, false, 'nor what it is to show')
  t.equal(history.rollBack(1), true, 'before its sources have said anything')
  t.equal(history.pinned, 1)
  publish(history)
  t.strictSame(shown(history), { a: '1', token: 'second' })
  publish(history, withToken({ a: '2' }, 'third'))
  t.equal(history.pinned, 1, 'what they say first is no change')
})

t.test('a token is always the newest one', async t => {
  const history = new VolumeHistory()
  publish(history, withToken({ a: '1' }, 'first'))
  publish(history, withToken({ a: '2' }, 'second'))
  history.rollBack(1)
  publish(history)
  t.strictSame(shown(history), { a: '1', token: 'second' })
  publish(history, withToken({ a: '2' }, 'third'))
  t.equal(history.pinned, 1, 'a new token is no change of the sources')
  t.strictSame(shown(history), { a: '1', token: 'third' })
  t.equal(history.current?.rollbackTo, undefined)
})

t.test('what a volume had before its first token is kept', async t => {
  const history = new VolumeHistory()
  publish(history, payload({}))
  publish(history, withToken({}, 'first'))
  t.strictSame(numbers(history), [1, 2])
})

t.test(
  'a token is no content of the generation that is shown again',
  async t => {
    const history = new VolumeHistory()
    publish(history, withToken({ a: '1' }, 'first'))
    publish(history, payload({ a: '2' }))
    history.rollBack(1)
    publish(history)
    t.strictSame(shown(history), { a: '1', token: 'first' }, 'none is newer')
    publish(history, withToken({ a: '2' }, 'second'))
    t.strictSame(shown(history), { a: '1', token: 'second' })
  },
)

t.test('generations of tokens alone push out no others', async t => {
  const history = new VolumeHistory()
  publish(history, withToken({ a: '1' }, '0'))
  publish(history, withToken({ a: '2' }, '0'))
  for (let i = 1; i <= 50; i++) publish(history, withToken({ a: '2' }, `${i}`))
  t.strictSame(numbers(history), [1, 2, 52])
  publish(history, withToken({ a: '3' }, '50'))
  publish(history, withToken({ a: '3' }, '51'))
  t.strictSame(numbers(history), [1, 2, 52, 53, 54])
})

t.test('the newest ten are kept', async t => {
  const history = new VolumeHistory()
  for (let i = 1; i <= 100; i++) publish(history, payload({ a: `${i}` }))
  t.strictSame(numbers(history), [91, 92, 93, 94, 95, 96, 97, 98, 99, 100])
})

t.test('all volumes of a session share one budget', async t => {
  const budget = new HistoryBudget(10_000)
  const one = new VolumeHistory(budget)
  const two = new VolumeHistory(budget)
  const large = (i: number) => payload({ a: `${i}`.padEnd(3000) })
  publish(one, large(1))
  publish(one, large(2))
  publish(two, large(1))
  publish(two, large(2))
  t.strictSame(
    [numbers(one), numbers(two)],
    [
      [1, 2],
      [1, 2],
    ],
  )
  publish(two, large(3))
  t.strictSame(
    [numbers(one), numbers(two)],
    [[2], [1, 2, 3]],
    'what was superseded first goes first, of whichever volume',
  )
  for (let i = 4; i < 1000; i++) publish(two, large(i))
  t.ok(budget.bytes <= 10_000)
  t.strictSame(shown(one), { a: '2'.padEnd(3000) }, 'what is shown never goes')
  two.forgetAll()
  t.equal(budget.bytes, 0)
  t.strictSame(numbers(two), [999])
})

t.test('a file that does not change is kept once', async t => {
  const budget = new HistoryBudget()
  const history = new VolumeHistory(budget)
  const large = 'x'.repeat(1_000_000)
  for (let i = 0; i < 10; i++)
    publish(history, payload({ large, small: `${i}` }))
  const files = history.generations.map(({ payload }) => payload.get('large'))
  t.equal(new Set(files).size, 1)
  t.ok(budget.bytes < 100_000, `${budget.bytes}`)
})

t.test('what was read again is kept once', async t => {
  t.test('of what an adopted volume shows', async t => {
    const history = new VolumeHistory()
    history.published(payload({ a: '1' }))
    history.offer(payload({ a: '1', b: '1' }))
    t.equal(history.wanted?.get('a'), history.current?.payload.get('a'))
  })
  t.test('of what the sources said before, while another is shown', async t => {
    const history = new VolumeHistory()
    publish(history, payload({ a: '1' }))
    publish(history, payload({ a: '2' }))
    history.rollBack(1)
    publish(history)
    publish(history, payload({ a: '2' }))
    history.unpin()
    publish(history)
    t.equal(history.get(4).payload.get('a'), history.get(2).payload.get('a'))
  })
  const file = { data: Buffer.from('1'), mode: 0o644, fsUser: 1, origin: app }
  for (const [what, other] of Object.entries({
    mode: { ...file, mode: 0o600 },
    owner: { ...file, fsUser: 2 },
    'kind of object': { ...file, origin: { ...app, kind: 'Secret' } as const },
    'name of the object': { ...file, origin: { ...app, name: 'other' } },
    bytes: { ...file, data: Buffer.from('2') },
    origin: { data: file.data, mode: file.mode, fsUser: file.fsUser },
  }))
    t.test(`not what has another ${what}`, async t => {
      const history = new VolumeHistory()
      history.published(new Map([['a', file]]))
      history.offer(new Map([['a', other]]))
      t.equal(history.wanted?.get('a'), other)
      history.offer(new Map([['a', { ...other }]]))
      t.equal(history.wanted?.get('a'), other, 'but once of its own')
    })
})

t.test('what an old generation costs', async t => {
  const cost = (files: Readonly<Record<string, string>>) => {
    const budget = new HistoryBudget()
    const history = new VolumeHistory(budget)
    publish(history, payload(files))
    t.equal(budget.bytes, 0, 'what is shown is not of the past')
    publish(history, payload({ other: '' }))
    return budget.bytes
  }
  t.equal(cost({ a: 'x'.repeat(1000) }) - cost({ a: '' }), 1000, 'its bytes')
  t.equal(cost({ ['p'.repeat(1001)]: '' }) - cost({ p: '' }), 1000, 'its paths')
  t.ok(cost({}) > 0)
})

t.test('a budget is used to the last byte', async t => {
  const budget = new HistoryBudget(10)
  const forgotten: string[] = []
  const forget = (name: string) => {
    const released = () => {
      forgotten.push(name)
      budget.release(released)
    }
    return released
  }
  budget.hold(4, forget('a'))
  budget.hold(6, forget('b'))
  t.strictSame([forgotten, budget.bytes], [[], 10])
  budget.hold(1, forget('c'))
  t.strictSame([forgotten, budget.bytes], [['a'], 7])
  budget.hold(11, forget('d'))
  t.strictSame([forgotten, budget.bytes], [['a', 'b', 'c', 'd'], 0])
  budget.release(() => undefined)
  t.equal(budget.bytes, 0)
})

t.test('whose bytes a person may see', async t => {
  const file = { data: Buffer.from('1'), mode: 0o644 }
  const seen = (
    [
      'ConfigMap',
      'Secret',
      'Pod',
      'ServiceAccount',
      'ClusterTrustBundle',
    ] as const
  ).filter(kind => !isConfidential({ ...file, origin: { kind, name: 'x' } }))
  t.strictSame(seen, ['ConfigMap', 'Pod', 'ClusterTrustBundle'])
  t.equal(isConfidential(file), true, 'not those of nobody knows what')
})
