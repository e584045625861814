import t from 'tap'
import { objectKey } from '../../src/api/object-key.ts'
import { rejectionOf } from '../../src/api/report.ts'
import { serviceAccountUid } from '../../src/api/service-account-uid.ts'
import type {
  Pod,
  ConfigMap,
  KubeObject,
  ServiceAccount,
} from '../../src/api/types.ts'
import { Store, type StoreEvent } from '../../src/store/store.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import {
  makeConfigMap,
  makePod,
  makeSecret,
  makeTrustBundle,
} from '../helpers/make-objects.ts'

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
  const onListenerError = (error: unknown) => {
    throw error
  }
  const store = new Store({ clock, onListenerError })
  const events: string[] = []
  store.watch(batch => {
    events.push(batch.map(show).join(' '))
  })
  return { store, events }
}

/** What podfs does nothing with but show it. */
const deployment = (replicas: number): KubeObject => ({
  ...configMap({}),
  kind: 'Deployment',
  spec: { replicas },
})

function account(uid = '', labels = {}): ServiceAccount {
  const { metadata, source } = makePod({ name: 'default', labels })
  return { kind: 'ServiceAccount', metadata: { ...metadata, uid }, source }
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
  t.match(second.metadata.uid, /^[0-9a-f-]{36}$/)
  t.not(second.metadata.uid, first.metadata.uid)
  t.equal(second.metadata.creationTimestamp, '2026-01-01T00:01:00Z')
  t.equal(stored().metadata.uid, second.metadata.uid)
  t.strictSame(
    events.map(({ type }) => type),
    ['ADDED', 'MODIFIED', 'MODIFIED'],
  )
  t.equal(events.at(-1)?.object, store.get('Pod', 'default', 'pod'))
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

  const last = stored()
  store.replace('a', [])
  for (const run of ['once', 'twice'])
    t.equal(store.beginRun(last), last, `${run}, of what is there no more`)
})

t.test('C306: the generation counts the specs of a Pod', async t => {
  const { store } = makeStore()
  const generation = () =>
    store.get('Pod', 'default', 'pod')?.metadata.generation
  const save = (...pods: readonly Pod[]) => store.replace('a', pods)
  save(makePod({ uid: '' }))
  t.equal(generation(), 1)
  save(makePod({ uid: '', labels: { a: 'b' } }))
  t.equal(generation(), 1, 'of labels nothing hangs')
  for (const [hostname, counted] of [
    ['two', 2],
    ['two', 2],
    ['three', 3],
  ] as const) {
    save(makePod({ uid: '', spec: { hostname } }))
    t.equal(generation(), counted)
  }
  const pod = store.get('Pod', 'default', 'pod')
  t.equal(pod && store.beginRun(pod).metadata.generation, 3)
  t.equal(pod && store.beginRun(pod).metadata.generation, 1, 'another Pod')
  t.equal(generation(), 1)
  store.replace('b', [configMap({ k: 'a' })])
  t.equal(
    store.get('ConfigMap', 'default', 'cm')?.metadata.generation,
    undefined,
  )
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
        ['b', [configMap({}, {}, 'x'), at('b', 4), at('b', 9)]],
        ['c', []],
        ['a', []],
      ]),
    )
    t.strictSame(told(), [lost('b', 9, 'b:4')], 'twice in one file')
    t.equal(store.get('ConfigMap', 'default', 'cm')?.data.get('k'), 'b:4')
  },
)

t.test('twice in one file, of what another file has too', async t => {
  const { store } = makeStore()
  const told = () =>
    store
      .conflicts()
      .map(({ origin, key }) => `${origin} ${key.slice('ConfigMap/'.length)}`)
  store.replace('a', [configMap({ k: 'a' })])
  store.replace('b', [configMap({ k: '1' }), configMap({ k: '2' })])
  t.strictSame(told(), ['b default/cm', 'b default/cm'], 'each of them lost')
  store.replace('a', [configMap({ k: 'new' })])
  t.equal(told().length, 2, 'an edit of the other file ends neither')
  store.replace('c', [configMap({}, {}, 'other')])
  t.equal(told().length, 2, 'nor does one that has to do with neither')
  store.replace('d', [configMap({}, {}, 'other')])
  t.equal(told().length, 3)
  store.replace('b', [configMap({ k: '1' })])
  t.strictSame(told(), ['d default/other', 'b default/cm'])
  store.replace('a', [])
  t.strictSame(told(), ['d default/other'])
})

t.test(
  'of what is only shown, nobody is told that it is there twice',
  async t => {
    const { store, events } = makeStore()
    t.same(store.replace('a', [deployment(1), deployment(2)]), [])
    t.same(store.replace('b', [deployment(3)]), [])
    t.strictSame(events, ['ADDED:cm@1'])
    t.match(store.get(objectKey('Deployment', 'default', 'cm')), {
      spec: { replicas: 1 },
    })
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
  t.match(other?.finding, {
    fieldPath: 'type',
    message: 'Invalid value: "x/y": field is immutable',
  })
  store.replace('b', [makeSecret({ name: 'free', data: { k: '1' } })])
  t.same(
    store.replace('b', [makeSecret({ name: 'free', data: { k: '2' } })]),
    [],
    'the type stays, the data need not',
  )
})

t.test('the signer of a trust bundle stays', async t => {
  const { store } = makeStore()
  const bundle = (trustBundle: string, signerName?: string) =>
    makeTrustBundle({
      trustBundle,
      ...(signerName === undefined ? {} : { signerName }),
    })
  const told = (object: KubeObject) =>
    store
      .replace('a', [object])
      .map(({ finding }) => `${finding.fieldPath}: ${finding.message}`)
  t.same(told(bundle('1', 's/1')), [])
  t.same(told(bundle('2', 's/1')), [], 'the certificates may change')
  t.same(told(bundle('2', 's/2')), [
    'spec.signerName: Invalid value: "s/2": field is immutable',
  ])
  t.same(told(bundle('2')), [
    'spec.signerName: Invalid value: "": field is immutable',
  ])
})

t.test('why an object is not what its file says now', async t => {
  const { store } = makeStore()
  const key = objectKey('ConfigMap', 'default', 'cm')
  let told = 0
  const stop = store.watchKept(() => (told += 1))
  const tells = (why: string, change: () => unknown, times = 1) => {
    told = 0
    change()
    t.equal(told, times, why)
  }
  const mistake = rejectionOf(configMap({}), 'data', 'wrong')
  const kept = new Map([[key, mistake]])
  t.equal(store.whyKept(key), undefined, 'it is not there')
  tells('a plain change', () => store.replace('a', [configMap({})]), 0)
  t.equal(store.whyKept(key), undefined)
  tells('nothing was kept', () => store.keep('a', new Map()), 0)
  tells('a mistake', () => store.keep('a', kept))
  t.equal(store.whyKept(key), mistake)
  store.replace('b', [configMap({ k: 'b' })])
  store.keep('b', new Map([[key, rejectionOf(configMap({}), '', 'other')]]))
  t.equal(store.whyKept(key), mistake, 'of the origin that is served')
  tells('it is mended', () => store.keep('a', new Map()))
  tells('and still is', () => store.keep('a', new Map()), 0)
  t.equal(store.whyKept(key), undefined)
  store.replace('b', [])

  const immutable = true
  store.replace('a', [configMap({ k: '1' }, { immutable })])
  const replace = (k: string) => () =>
    store.replace('a', [configMap({ k }, { immutable })])
  tells('refused', replace('2'))
  t.match(store.whyKept(key), { fieldPath: 'data' })
  tells('another conflict beside it', () =>
    store.replace('b', [configMap({ k: 'b' }, { immutable })]),
  )
  tells('refused no more', replace('1'))
  t.equal(store.whyKept(key), undefined)
  tells('a conflict alone', () => store.replace('b', []), 0)
  stop()
  tells('nobody who has stopped', () => store.keep('a', kept), 0)
})

t.test('lists by namespace and name, as the API server does', async t => {
  const { store } = makeStore()
  const make = (namespace: string, name: string) =>
    makeConfigMap({ namespace, name })
  const names = (namespace?: string) =>
    store
      .list('ConfigMap', namespace)
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  store.replace('a', [
    make('b', 'x'),
    make('a', 'z'),
    make('a', 'B'),
    make('c', 'a'),
    make('a', 'a'),
    makeSecret({ namespace: 'a', name: 'm' }),
  ])
  t.strictSame(names(), ['a/B', 'a/a', 'a/z', 'b/x', 'c/a'])
  t.strictSame(names('a'), ['a/B', 'a/a', 'a/z'])
  t.strictSame(names('none'), [])
})

t.test('a Pod is admitted with its ServiceAccount', async t => {
  const admitted: string[] = []
  const store = new Store({
    clock,
    admit: (pod, its) => {
      admitted.push(`${pod.kind}: ${its?.metadata.uid ?? 'none'}`)
      return { ...pod, spec: { ...pod.spec, hostname: 'admitted' } }
    },
  })
  const last = () => admitted.splice(0)
  store.replace('a', [makePod()])
  t.strictSame(last(), ['Pod: none'])
  t.equal(store.get('Pod', 'default', 'pod')?.spec.hostname, 'admitted')
  store.replace('b', [account('manifest'), configMap({})])
  t.strictSame(last(), [], 'not because its account comes')
  store.replace('a', [makePod({ labels: { a: 'b' } })])
  t.strictSame(last(), ['Pod: manifest'])
  const both = new Map([
    ['a', [makePod({ name: 'two' })]],
    ['b', [account('new')]],
  ])
  store.apply(both)
  t.strictSame(last(), ['Pod: new'], 'which is in the same batch')
})

t.test('uid and creation time', async t => {
  const known = { uid: 'known', creationTimestamp: '2020-01-01T00:00:00Z' }
  const store = new Store({
    clock,
    identity: key => (key.endsWith('/known') ? known : undefined),
  })
  const put = (object: KubeObject) => {
    store.replace('a', [object])
    const key = objectKey(
      object.kind,
      object.metadata.namespace,
      object.metadata.name,
    )
    const { uid, creationTimestamp } = store.get(key)?.metadata ?? {}
    return { uid, creationTimestamp }
  }
  const creationTimestamp = '2026-01-02T03:04:05Z'
  const map = makeConfigMap({ name: 'known' })
  const { metadata } = map
  const of = (own: object) => ({ ...map, metadata: { ...metadata, ...own } })
  t.strictSame(put(of({ uid: '' })), known, 'another store has had it')
  t.strictSame(put(of({ uid: 'manifest' })), { ...known, uid: 'manifest' })
  t.strictSame(put(of({ uid: '' })), { ...known, uid: 'manifest' })
  store.replace('a', [])
  t.strictSame(put(of({ uid: 'manifest' })), { ...known, uid: 'manifest' })
  store.replace('a', [])
  const own = { uid: 'manifest', creationTimestamp: '2021-01-01T00:00:00Z' }
  t.strictSame(put(of(own)), own, 'the manifest says both')
  t.strictSame(put(makeConfigMap({ name: 'x', uid: 'x' })), {
    uid: 'x',
    creationTimestamp,
  })

  const uid = serviceAccountUid('default', 'default')
  t.strictSame(
    put(account('manifest')),
    { uid, creationTimestamp },
    'an account has the one that its tokens carry',
  )
  t.equal(put(account('other', { a: 'b' })).uid, uid, 'always')
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
