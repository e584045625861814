import t from 'tap'
import type { ConfigMap } from '../../src/api/types.ts'
import { Store, type StoreEvent } from '../../src/store/store.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { makeConfigMap, makePod, makeSecret } from '../helpers/make-objects.ts'

const clock = {
  now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  elapsed: () => 0,
  sleep: async () => undefined,
  after: () => ({ cancel: () => undefined }),
}

/** Without a uid, as a manifest gives it. */
function configMap(
  data: Readonly<Record<string, string>>,
  extra: Partial<ConfigMap> = {},
  name = 'cm',
): ConfigMap {
  const made = makeConfigMap({ name, data })
  return { ...made, ...extra, metadata: { ...made.metadata, uid: '' } }
}

function makeStore() {
  const store = new Store({ clock })
  const events: string[] = []
  store.watch(batch => {
    events.push(batch.map(show).join(' '))
  })
  return { store, events }
}

function show({ type, object }: StoreEvent): string {
  return `${type}:${object.metadata.name}@${object.metadata.resourceVersion}`
}

t.test('upserts and deletes of one origin come in one batch', async t => {
  const { store, events } = makeStore()
  store.replace('a', [configMap({ k: '1' }, {}, 'x'), configMap({}, {}, 'y')])
  store.replace('a', [configMap({ k: '2' }, {}, 'x'), configMap({}, {}, 'z')])
  store.replace('a', [])
  t.same(events, [
    'ADDED:x@1 ADDED:y@2',
    'MODIFIED:x@3 DELETED:y@4 ADDED:z@5',
    'DELETED:x@6 DELETED:z@7',
  ])
  t.same(store.list('ConfigMap'), [])
})

t.test('what did not change keeps its version and sends no event', async t => {
  const { store, events } = makeStore()
  store.replace('a', [configMap({ k: '1' })])
  const before = store.get('ConfigMap', 'default', 'cm')
  store.replace('a', [configMap({ k: '1' })])
  const after = store.get('ConfigMap', 'default', 'cm')
  t.same(events, ['ADDED:cm@1'])
  t.same(after?.metadata, before?.metadata)
  t.match(after?.metadata, {
    uid: /^[0-9a-f-]{36}$/,
    creationTimestamp: '2026-01-02T03:04:05Z',
    resourceVersion: '1',
  })
  store.replace('a', [configMap({ k: '2' })])
  const changed = store.get('ConfigMap', 'default', 'cm')?.metadata
  t.equal(changed?.uid, before?.metadata.uid)
  t.equal(changed?.creationTimestamp, before?.metadata.creationTimestamp)
  t.equal(changed?.resourceVersion, '2')
})

t.test('each run of a Pod is a Pod of its own', async t => {
  const time = new FakeClock(Date.UTC(2026, 0, 1))
  const store = new Store({ clock: time })
  const events: StoreEvent[] = []
  store.watch(batch => events.push(...batch))
  const stored = () => {
    const pod = store.get('Pod', 'default', 'pod')
    if (pod === undefined) throw new Error('no Pod')
    return pod
  }
  store.replace('a', [makePod({ uid: '' })])
  const first = stored()
  t.equal(store.beginRun(first), first, 'the first is what appeared')
  await time.advance(60_000)
  store.replace('a', [makePod({ uid: '', spec: { hostname: 'two' } })])
  t.equal(stored().metadata.uid, first.metadata.uid, 'while the first one runs')
  const second = store.beginRun(stored())
  t.equal(second.spec.hostname, 'two')
  t.not(second.metadata.uid, first.metadata.uid)
  t.equal(second.metadata.creationTimestamp, '2026-01-01T00:01:00Z')
  t.equal(stored().metadata.uid, second.metadata.uid)
  t.equal(events.at(-1)?.type, 'MODIFIED')
  // The files were changed back, or to what cannot be run: what runs keeps its identity.
  store.replace('a', [makePod({ uid: '', labels: { a: 'b' } })])
  t.equal(stored().metadata.uid, second.metadata.uid)

  store.replace('a', [])
  store.replace('a', [makePod({ uid: '' })])
  const again = stored()
  t.equal(store.beginRun(again), again, 'it has appeared anew')

  const given = makePod({ uid: 'given' })
  store.replace('a', [given])
  store.beginRun(stored())
  t.equal(store.beginRun(stored()).metadata.uid, 'given', 'by its manifest')
})

t.test('of two origins the first wins, the second inherits', async t => {
  const { store, events } = makeStore()
  t.same(store.replace('a', [configMap({ k: 'a' })]), [])
  const [conflict] = store.replace('b', [configMap({ k: 'b' })])
  t.match(conflict, {
    code: 'STORE_DUPLICATE_OBJECT',
    origin: 'b',
    finding: { message: /^already defined in .+; that one is used$/ },
  })
  t.equal(store.conflicts().length, 1)
  store.replace('b', [configMap({ k: 'c' })])
  store.replace('a', [])
  t.same(events, ['ADDED:cm@1', 'MODIFIED:cm@2'], 'no DELETED in between')
  t.equal(store.get('ConfigMap', 'default', 'cm')?.data.get('k'), 'c')
  t.same(store.conflicts(), [])
})

t.test('an edit of the first one takes nothing from it', async t => {
  const { store, events } = makeStore()
  store.replace('a', [configMap({ k: 'a' })])
  store.replace('b', [configMap({ k: 'b' })])
  t.same(store.replace('a', [configMap({ k: 'a2' })]), [])
  t.same(events, ['ADDED:cm@1', 'MODIFIED:cm@2'])
  t.equal(store.get('ConfigMap', 'default', 'cm')?.data.get('k'), 'a2')
  t.match(store.conflicts(), [{ origin: 'b' }])
})

t.test(
  'a conflict names the one that lost, and the one that is used',
  async t => {
    const { store } = makeStore()
    const at = (path: string, line: number): ConfigMap => {
      const position = { path, line, column: 3 }
      return configMap(
        { k: `${path}:${line}` },
        { source: { ...position, positionOf: () => position } },
      )
    }
    const told = () =>
      store
        .conflicts()
        .map(
          ({ origin, finding: { position, message } }) =>
            `${origin}: ${position?.path}:${position?.line}: ${message}`,
        )
    const lost = (origin: string, line: number, to: string) =>
      `${origin}: ${origin}:${line}: already defined in ${to}:3; that one is used`
    store.apply(
      new Map(['a', 'b', 'c'].map((path, i) => [path, [at(path, i + 1)]])),
    )
    t.strictSame(told(), [lost('b', 2, 'a:1'), lost('c', 3, 'a:1')])
    store.replace('a', [])
    t.strictSame(told(), [lost('c', 3, 'b:2')], 'the next takes over')
    store.replace('a', [at('a', 1)])
    t.strictSame(
      told(),
      [lost('c', 3, 'b:2'), lost('a', 1, 'b:2')],
      'who let go comes last',
    )
    store.apply(
      new Map([
        ['b', [at('b', 4), at('b', 9)]],
        ['c', []],
        ['a', []],
      ]),
    )
    t.strictSame(told(), [lost('b', 9, 'b:4')], 'twice in one file')
    t.equal(store.get('ConfigMap', 'default', 'cm')?.data.get('k'), 'b:4')
  },
)

t.test('an object that moves between origins is not in conflict', async t => {
  const { store, events } = makeStore()
  store.replace('a', [configMap({ k: '1' })])
  t.same(
    store.apply(
      new Map([
        ['b', [configMap({ k: '1' })]],
        ['a', []],
      ]),
    ),
    [],
  )
  t.same(events, ['ADDED:cm@1'])
})

t.test('twice in one origin: the first wins', async t => {
  const { store } = makeStore()
  const both = [configMap({ k: '1' }), configMap({ k: '2' })]
  t.equal(store.replace('a', both).length, 1)
  t.equal(store.get('ConfigMap', 'default', 'cm')?.data.get('k'), '1')
  t.same(store.replace('a', both.slice(1)), [])
  t.equal(store.get('ConfigMap', 'default', 'cm')?.data.get('k'), '2')
})

t.test('C52: an immutable ConfigMap', async t => {
  const { store, events } = makeStore()
  const told = (...objects: ConfigMap[]) =>
    store
      .replace('a', objects)
      .map(({ finding }) => `${finding.fieldPath}: ${finding.message}`)
  const refused = (field: string) => [
    `${field}: Forbidden: field is immutable when \`immutable\` is set`,
  ]
  const immutable = true
  t.same(told(configMap({ k: '1' })), [])
  t.same(told(configMap({ k: '2' })), [])
  t.same(told(configMap({ k: '2' }, { immutable })), [])
  t.same(told(configMap({ k: '3' }, { immutable })), refused('data'))
  t.same(told(configMap({ k: '2' })), refused('immutable'))
  const binaryData = new Map([['b', new Uint8Array([1])]])
  t.same(
    told(configMap({ k: '2' }, { immutable, binaryData })),
    refused('binaryData'),
  )
  t.equal(store.get('ConfigMap', 'default', 'cm')?.data.get('k'), '2')
  const labelled = configMap({ k: '2' }, { immutable })
  const metadata = { ...labelled.metadata, labels: new Map([['l', 'v']]) }
  t.same(told({ ...labelled, metadata }), [], 'labels may change')
  t.same(told(), [], 'and it may be deleted')
  t.same(told(configMap({ k: '9' })), [], 'and made anew')
  t.equal(events.at(-1), `ADDED:cm@${store.resourceVersion}`)
})

t.test('C63: an immutable Secret, and a type that stays', async t => {
  const { store } = makeStore()
  const secret = (value: string) => ({
    ...makeSecret({ data: { k: value } }),
    immutable: true,
  })
  store.replace('a', [secret('1')])
  const [conflict] = store.replace('a', [secret('hunter2')])
  t.equal(conflict?.code, 'STORE_IMMUTABLE_OBJECT')
  t.notMatch(JSON.stringify(conflict), /hunter2/)
  const [other] = store.replace('a', [{ ...secret('1'), type: 'x/y' }])
  t.equal(other?.finding.message, 'Invalid value: "x/y": field is immutable')
})

t.test('a listener that throws does not keep it from the others', async t => {
  const errors: unknown[] = []
  const store = new Store({ onListenerError: error => errors.push(error) })
  let seen = 0
  store.watch(() => {
    throw new Error('no')
  })
  const stop = store.watch(() => {
    seen += 1
    // The state is already the new one.
    t.equal(store.list('ConfigMap').length, 1)
  })
  store.replace('a', [configMap({ k: '1' })])
  stop()
  store.replace('a', [configMap({ k: '2' })])
  t.equal(seen, 1)
  t.equal(errors.length, 2)
})
