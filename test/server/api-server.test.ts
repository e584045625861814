import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { stat } from 'node:fs/promises'
import t from 'tap'
import type { JsonObject } from '../../src/api/json.ts'
import type { Pod } from '../../src/api/types.ts'
import type { PodStatus } from '../../src/runner/status/pod-status.ts'
import type { VolumeControl } from '../../src/volumes/volume-control.ts'
import { VolumeHistory } from '../../src/volumes/volume-history.ts'
import type { FileProjection } from '../../src/writer/payload.ts'
import {
  apiNow as now,
  startApiServer as startServer,
} from '../helpers/api-server.ts'
import {
  makeConfigMap,
  makeContainer,
  makePod,
  makeSecret,
} from '../helpers/make-objects.ts'
import { eventually } from '../helpers/podfs.ts'

/** A volume that nobody publishes: what is asked of it is done at once. */
function makeVolumeControl(): VolumeControl {
  const history = new VolumeHistory()
  const show = (isOther: boolean): boolean => {
    if (isOther && history.wanted !== undefined)
      history.published(history.wanted, now)
    return isOther
  }
  return {
    history,
    rollBack: async generation => show(history.rollBack(generation)),
    unpin: async () => show(history.unpin()),
  }
}

function names(list: JsonObject): string[] {
  return (list['items'] as readonly JsonObject[]).map(
    ({ metadata }) => (metadata as { name: string }).name,
  )
}

/** Reads the events of a watch one by one. */
function eventsOf(response: IncomingMessage) {
  const lines = (async function* () {
    let rest = ''
    for await (const chunk of response.setEncoding('utf8')) {
      const all = (rest + (chunk as string)).split('\n')
      rest = all.pop() ?? ''
      yield* all
    }
  })()
  return async (): Promise<JsonObject | undefined> => {
    const { value, done } = await lines.next()
    return done === true ? undefined : (JSON.parse(value) as JsonObject)
  }
}

const table = {
  accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
}

const containerID = `podfs://${'a'.repeat(64)}`
function statusWith(state: JsonObject, lastState: JsonObject = {}): PodStatus {
  return {
    phase: 'Running',
    conditions: [],
    hostIP: '',
    hostIPs: [],
    startTime: '2026-01-01T00:00:00Z',
    qosClass: 'BestEffort',
    containerStatuses: [
      {
        name: 'main',
        image: 'busybox',
        imageID: '',
        containerID,
        state,
        lastState,
        ready: true,
        started: true,
        restartCount: 0,
        volumeMounts: [],
      },
    ],
  }
}

t.test('the socket is its owner’s', async t => {
  const { socket } = await startServer(t)
  t.equal((await stat(socket)).mode & 0o777, 0o600)
})

t.test('lists, by namespace, label and field', async t => {
  const { store, get } = await startServer(t)
  store.replace('x', [
    makeConfigMap({ name: 'a', labels: { app: 'web' } }),
    makeConfigMap({ name: 'b' }),
    makeConfigMap({ name: 'a', namespace: 'other' }),
    makeSecret({ name: 's', data: { password: 'canary' } }),
  ])
  const list = async (url: string) => names((await get(url)).body)
  t.same(await list('/api/v1/configmaps?limit=500'), ['a', 'b', 'a'])
  t.same(await list('/api/v1/namespaces/default/configmaps'), ['a', 'b'])
  t.same(await list('/api/v1/configmaps?labelSelector=app%3Dweb'), ['a'])
  t.same(
    await list(
      '/api/v1/configmaps?fieldSelector=metadata.name%3Da,metadata.namespace!%3Ddefault',
    ),
    ['a'],
  )
  t.same(await list('/api/v1/namespaces'), ['default', 'other'])
  t.same(await list('/api/v1/nodes'), ['node'])
  const { body } = await get('/api/v1/secrets')
  t.match(body, {
    kind: 'SecretList',
    apiVersion: 'v1',
    metadata: { resourceVersion: /^\d+$/ },
    items: [
      {
        kind: 'Secret',
        type: 'Opaque',
        data: { password: Buffer.from('canary').toString('base64') },
        metadata: {
          uid: 's-uid',
          resourceVersion: /^\d+$/,
          creationTimestamp: '2026-01-01T00:00:00Z',
        },
      },
    ],
  })
})

t.test('what is refused is a Status', async t => {
  const { get, text } = await startServer(t)
  for (const [url, code, reason, message, method] of [
    [
      '/api/v1/namespaces/default/pods/x',
      404,
      'NotFound',
      'pods "x" not found',
    ],
    [
      '/apis/podfs.io/v1/namespaces/default/volumes/x',
      404,
      'NotFound',
      'volumes.podfs.io "x" not found',
    ],
    [
      '/api/v1/limitranges',
      404,
      'NotFound',
      'the server could not find the requested resource',
    ],
    [
      '/api/v1/pods/x',
      404,
      'NotFound',
      'the server could not find the requested resource',
    ],
    [
      '/api/v1/pods?fieldSelector=a%3Db',
      400,
      'BadRequest',
      'field label not supported: a',
    ],
    [
      '/api/v1/pods?resourceVersion=abc',
      400,
      'BadRequest',
      'invalid resource version "abc": strconv.ParseUint: parsing "abc": invalid syntax',
    ],
    [
      `/api/v1/pods?resourceVersion=${now + 1_000_000}`,
      410,
      'Expired',
      /^Too large resource version: \d+, current: \d+$/,
    ],
    [
      '/api/v1/pods?watch=1&resourceVersion=abc',
      400,
      'BadRequest',
      'invalid resource version "abc": strconv.ParseUint: parsing "abc": invalid syntax',
    ],
    [
      '/api/v1/namespaces/default/pods',
      405,
      'MethodNotAllowed',
      'the server does not allow this method on the requested resource',
      'POST',
    ],
  ] as const) {
    const answer = await get(url, {}, method)
    t.equal(answer.code, code, url)
    t.match(
      answer.body,
      { kind: 'Status', status: 'Failure', code, reason, message },
      url,
    )
  }
  for (const [url, method] of [
    ['/api/v1/limitranges', 'GET'],
    ['/api/v1/namespaces/default/pods', 'POST'],
  ] as const)
    t.strictSame((await get(url, {}, method)).body['details'], {})
  t.equal(await text('/nope'), '404 page not found\n')
})

t.test('a watch goes on where a list ended', async t => {
  const { store, get, open } = await startServer(t)
  store.replace('x', [makeConfigMap({ name: 'a', data: { k: '1' } })])
  const { body } = await get('/api/v1/configmaps')
  const { resourceVersion } = body['metadata'] as { resourceVersion: string }
  store.replace('x', [makeConfigMap({ name: 'a', data: { k: '2' } })])
  const next = eventsOf(
    await open(
      `/api/v1/configmaps?watch=true&resourceVersion=${resourceVersion}`,
    ),
  )
  t.match(await next(), { type: 'MODIFIED', object: { data: { k: '2' } } })
  store.replace('x', [makeConfigMap({ name: 'b' })])
  t.match(await next(), {
    type: 'DELETED',
    object: { metadata: { name: 'a' } },
  })
  t.match(await next(), { type: 'ADDED', object: { metadata: { name: 'b' } } })
})

t.test('a watch without a version begins with what there is', async t => {
  const { store, open, clock } = await startServer(t)
  store.replace('x', [makeConfigMap({ name: 'a' })])
  const response = await open(
    '/api/v1/configmaps?watch=true&allowWatchBookmarks=true&timeoutSeconds=90',
  )
  const next = eventsOf(response)
  t.match(await next(), { type: 'ADDED', object: { metadata: { name: 'a' } } })
  await clock.advance(60_000)
  t.match(await next(), {
    type: 'BOOKMARK',
    object: { kind: 'ConfigMap', metadata: { resourceVersion: /^\d+$/ } },
  })
  await clock.advance(30_000)
  t.equal(await next(), undefined, 'ends after timeoutSeconds')
})

t.test('what begins to match appears, what no longer does goes', async t => {
  const { store, open } = await startServer(t)
  const set = (labels: Record<string, string>) =>
    store.replace('x', [makeConfigMap({ name: 'a', labels })])
  set({})
  const next = eventsOf(
    await open('/api/v1/configmaps?watch=true&labelSelector=app%3Dweb'),
  )
  set({ app: 'web' })
  t.match(await next(), { type: 'ADDED' })
  set({ app: 'web', more: '1' })
  t.match(await next(), { type: 'MODIFIED' })
  set({ app: 'db' })
  t.match(await next(), { type: 'DELETED' })
})

t.test('a version that is too old is gone', async t => {
  const { open, get } = await startServer(t)
  for (const [version, message] of [
    ['1', /^too old resource version: 1 \(\d+\)$/],
    // Of another podfs, or of before the clock was set back.
    [
      String(now + 1_000_000),
      `Too large resource version: ${now + 1_000_000}, current: `,
    ],
  ] as const) {
    const next = eventsOf(
      await open(`/api/v1/pods?watch=true&resourceVersion=${version}`),
    )
    t.match(await next(), {
      type: 'ERROR',
      object: { kind: 'Status', code: 410, reason: 'Expired', message },
    })
    t.equal(await next(), undefined)
  }
  const { body } = await get(`/api/v1/pods?resourceVersion=${now + 1_000_000}`)
  t.match(body, {
    details: { causes: [{ reason: 'ResourceVersionTooLarge' }] },
  })
  t.equal((await get('/api/v1/pods?resourceVersion=1')).code, 200)
})

t.test('tables, for a list and for a watch', async t => {
  const { store, get, open } = await startServer(t)
  store.replace('x', [makeConfigMap({ name: 'a', data: { k: '1' } })])
  const { body } = await get('/api/v1/configmaps', table)
  t.match(body, {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    columnDefinitions: [{ name: 'Name' }, { name: 'Data' }, { name: 'Age' }],
    rows: [
      {
        cells: ['a', 1, '0s'],
        object: { kind: 'PartialObjectMetadata', metadata: { name: 'a' } },
      },
    ],
  })
  const next = eventsOf(await open('/api/v1/configmaps?watch=true', table))
  t.match(await next(), {
    type: 'ADDED',
    object: { kind: 'Table', columnDefinitions: [{ name: 'Name' }, {}, {}] },
  })
  store.replace('x', [makeConfigMap({ name: 'b' })])
  t.match(await next(), {
    type: 'DELETED',
    object: { kind: 'Table', columnDefinitions: [], rows: [{}] },
  })
  const one = await get('/api/v1/namespaces/default/configmaps/b', table)
  t.match(one.body, { kind: 'Table', rows: [{ cells: ['b', 0, '0s'] }] })
})

t.test('a Pod that is about to be run is pending', async t => {
  const { store, get } = await startServer(t)
  store.replace('x', [
    makePod({ name: 'web', annotations: { 'podfs.io/run': 'true' } }),
  ])
  const { body } = await get('/api/v1/namespaces/default/pods/web')
  t.strictSame(body['status'], {
    phase: 'Pending',
    qosClass: 'BestEffort',
  })
})

t.test(
  'a Pod that is not run says so; one that runs has its status',
  async t => {
    const { store, record, get, open } = await startServer(t)
    const pod = makePod({ name: 'web' })
    store.replace('x', [pod])
    const url = '/api/v1/namespaces/default/pods/web'
    t.match((await get(url)).body, {
      metadata: { generation: 1 },
      spec: { nodeName: 'node' },
      status: { phase: 'Pending', reason: 'NotRun', qosClass: 'BestEffort' },
    })
    const next = eventsOf(await open('/api/v1/pods?watch=true'))
    t.match(await next(), { type: 'ADDED' })
    const running = record.pod(store.get('Pod', 'default', 'web') as Pod)
    running.status(statusWith({ running: { startedAt: '' } }))
    const { object } = (await next()) as { object: JsonObject }
    t.strictSame(object['status'], {
      phase: 'Pending',
      qosClass: 'BestEffort',
    })
    t.match(await next(), {
      type: 'MODIFIED',
      object: { status: { phase: 'Running' } },
    })
    running.terminating(30)
    t.match(await next(), {
      type: 'MODIFIED',
      object: {
        metadata: {
          deletionTimestamp: '2026-01-01T00:00:30Z',
          deletionGracePeriodSeconds: 30,
        },
      },
    })
    running.terminating(60)
    store.replace('x', [])
    t.match(
      await next(),
      {
        type: 'MODIFIED',
        object: { metadata: { deletionGracePeriodSeconds: 30 } },
      },
      'it is still there when its file is gone, and its grace only gets shorter',
    )
    running.gone()
    t.match(await next(), { type: 'DELETED' })
  },
)

t.test('events, with what they are about', async t => {
  const { record, get, clock } = await startServer(t)
  const pod = makePod({ name: 'web' })
  const running = record.pod(pod)
  const event = {
    type: 'Warning',
    reason: 'BackOff',
    message: 'Back-off',
    fieldPath: 'spec.containers{main}',
  } as const
  running.event(event)
  await clock.advance(5000)
  running.event(event)
  const { body } = await get(
    '/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dweb,type%3DWarning',
  )
  t.match(body, {
    kind: 'EventList',
    items: [
      {
        involvedObject: {
          kind: 'Pod',
          name: 'web',
          uid: 'web-uid',
          fieldPath: 'spec.containers{main}',
        },
        count: 2,
        firstTimestamp: '2026-01-01T00:00:00Z',
        lastTimestamp: '2026-01-01T00:00:05Z',
        source: { component: 'podfs' },
      },
    ],
  })
})

t.test('volumes, and readiness', async t => {
  const { record, get, text } = await startServer(t)
  const volume = {
    namespace: 'default',
    pod: 'web',
    volume: 'config',
    type: 'configMap',
    mountpoints: ['/mnt'],
    objects: [],
    generation: 0,
    keys: 0,
    control: makeVolumeControl(),
  }
  record.volume({ ...volume, error: 'configmap "app" not found' })
  t.equal(
    await text('/readyz'),
    '[-]volume default/web.config failed: configmap "app" not found\nreadyz check failed\n',
  )
  t.equal(await text('/healthz'), 'ok')
  record.volume({
    ...volume,
    generation: 1,
    keys: 2,
    publishedAt: now,
    publishMs: 3,
  })
  t.equal(await text('/readyz'), 'ok')
  const errorMetric =
    'podfs_volume_error{namespace="default",pod="web",volume="config"}'
  record.volumeInContainers(volume, 'the containers do not see it')
  t.match(await get('/apis/podfs.io/v1/volumes', table), {
    body: { rows: [{ cells: { 8: 'the containers do not see it' } }] },
  })
  t.match(await text('/metrics'), `${errorMetric} 1\n`)
  record.volumeInContainers(volume, undefined)
  t.match(await text('/metrics'), `${errorMetric} 0\n`)
  const { body } = await get('/apis/podfs.io/v1/volumes', table)
  t.match(body, {
    rows: [
      {
        cells: [
          'web',
          'config',
          'configMap',
          2,
          1,
          '<none>',
          '0s',
          '/mnt',
          '<none>',
        ],
      },
    ],
  })
  const metrics = await text('/metrics')
  for (const line of [
    'podfs_volume_published_total{namespace="default",pod="web",volume="config"} 1',
    'podfs_volume_publish_seconds_bucket{le="0.005"} 1',
    'podfs_volume_publish_seconds_count 1',
    'podfs_fuse_operations_total{operation="LOOKUP"} 2',
    'podfs_fuse_server_restarts_total 4',
  ])
    t.ok(metrics.includes(`${line}\n`), line)
  t.match(metrics, /^process_resident_memory_bytes \d+$/m)
})

t.test('the generations of a volume', async t => {
  const { record, get } = await startServer(t)
  const control = makeVolumeControl()
  record.volume({
    namespace: 'default',
    pod: 'web.example',
    volume: 'config',
    type: 'projected',
    mountpoints: [],
    objects: [],
    generation: 1,
    keys: 3,
    control,
  })
  const app = { kind: 'ConfigMap', name: 'app' } as const
  const db = { kind: 'Secret', name: 'db' } as const
  const account = { kind: 'ServiceAccount', name: 'default' } as const
  const show = (text: string, password: string): void => {
    const file = { mode: 0o640, data: Buffer.from(text), origin: app }
    const secret = { ...file, data: Buffer.from(password) }
    control.history.offer(
      new Map<string, FileProjection>([
        ['text', file],
        ['bin', { ...file, data: Buffer.from([0, 1, 255]) }],
        ['latin', { ...file, data: Buffer.from([0xe4]) }],
        ['password', { ...secret, origin: db }],
        ['again', { ...secret, origin: db }],
        ['token', { ...secret, origin: account }],
        ['unknown', { data: secret.data, mode: 0o640 }],
      ]),
    )
    control.history.published(control.history.wanted ?? new Map(), now)
  }
  show('one', 'canary')
  show('two', 'canary2')
  const url = '/apis/podfs.io/v1/namespaces/default/volumes/web.example.config'

  const list = await get(`${url}/generations`)
  t.match(list.body, {
    kind: 'VolumeGenerationList',
    apiVersion: 'podfs.io/v1',
    items: [
      {
        kind: 'VolumeGeneration',
        metadata: {
          name: 'web.example.config-1',
          namespace: 'default',
          creationTimestamp: '2026-01-01T00:00:00Z',
        },
        generation: 1,
        current: false,
        pinned: false,
      },
      {
        generation: 2,
        current: true,
        sources: [db, app, account],
        changes: { changed: ['again', 'password', 'text', 'token', 'unknown'] },
      },
    ],
  })
  t.match((await get(`${url}/generations`, table)).body, {
    kind: 'Table',
    rows: [
      {
        cells: [
          1,
          '0s',
          'superseded',
          'secret/db,configmap/app,serviceaccount/default',
          '+again +bin +latin +password and 3 more',
        ],
      },
      {
        cells: [
          2,
          '0s',
          'current',
          'secret/db,configmap/app,serviceaccount/default',
          '~again ~password ~text ~token and 1 more',
        ],
      },
    ],
  })

  const hmacSHA256 = /^[0-9a-f]{12}$/
  const { body } = await get(`${url}/generations/1`)
  t.match(body['files'], [
    { path: 'again', mode: 0o640, hmacSHA256 },
    { path: 'bin', mode: 0o640, binaryData: 'AAH/' },
    { path: 'latin', binaryData: '5A==' },
    { path: 'password', hmacSHA256 },
    { path: 'text', data: 'one' },
    { path: 'token', hmacSHA256 },
    { path: 'unknown', hmacSHA256 },
  ])
  const hashes = (body['files'] as readonly JsonObject[]).flatMap(file =>
    file['hmacSHA256'] === undefined ? [] : [file['hmacSHA256']],
  )
  t.equal(new Set(hashes).size, 1, 'equal values are seen to be equal')
  const { body: second } = await get(`${url}/generations/2`)
  t.notMatch(second['files'], [{ hmacSHA256: hashes[0] }])
  t.notMatch(JSON.stringify([list.body, body, second]), /canary|Y2FuYXJ5/)
  const plain = createHash('sha256').update('canary').digest('hex')
  t.not(hashes[0], plain.slice(0, 12), 'not without a key')

  t.test('rollback and unpin', async t => {
    const post = (what: string, body: JsonObject = {}) =>
      get(`${url}/${what}`, {}, 'POST', JSON.stringify(body))
    const message = async (what: string, body?: JsonObject) =>
      (await post(what, body)).body['message']
    t.match(await post('rollback', { generation: 1 }), {
      code: 201,
      body: {
        kind: 'Status',
        status: 'Success',
        message: 'rolled back to generation 1',
      },
    })
    t.match(await get(`${url}/generations`, table), {
      body: {
        rows: [{}, {}, { cells: [3, '0s', 'current,pinned', 'rollback to 1'] }],
      },
    })
    t.equal(
      await message('rollback', { generation: 1 }),
      'skipped rollback (it shows generation 1 already)',
    )
    t.equal(await message('unpin'), 'unpinned')
    t.equal(await message('unpin'), 'is not pinned')
    t.equal(control.history.current?.generation, 4)
  })

  for (const [path, code, message, method = 'GET', body = ''] of [
    ['generations/9', 404, 'generation 9 is not kept; there are 1, 2, 3, 4'],
    ['generations/x', 404, /^the server could not find/],
    ['generations/1/x', 404, /^the server could not find/],
    ['other', 404, /^the server could not find/],
    ['rollback', 405, /method/],
    ['unpin', 405, /method/, 'PUT'],
    ['generations', 405, /method/, 'POST'],
    ['generations', 405, /method/, 'DELETE'],
    ['rollback', 404, /^generation 9 is not/, 'POST', '{"generation":9}'],
    ['rollback', 400, /whole number/, 'POST', '{"generation":"1"}'],
    ['rollback', 400, /whole number/, 'POST', '{"generation":1.5}'],
    ['rollback', 400, /whole number/, 'POST', '[]'],
    ['rollback', 400, /whole number/, 'POST', 'null'],
    ['rollback', 400, /no JSON/, 'POST', 'canary'],
    ['rollback', 413, /limit/, 'POST', ' '.repeat(70_000)],
  ] as const)
    t.test(`${method} ${path} ${body.slice(0, 20)}`, async t => {
      const answer = await get(`${url}/${path}`, {}, method, body)
      t.match(answer, { code, body: { kind: 'Status', code, message } })
    })
  t.match(
    await get(url.replace('config', 'other') + '/rollback', {}, 'POST', '{}'),
    {
      code: 404,
      body: { message: /volumes.podfs.io "web.example.other" not/ },
    },
  )
  t.match(
    await get('/api/v1/namespaces/default/pods/x/rollback', {}, 'POST', '{}'),
    { code: 405 },
  )
})

t.test('what Pods use, as from a metrics server', async t => {
  const { record, store, get, clock } = await startServer(t)
  const web = makePod({ name: 'web', labels: { app: 'web' } })
  store.replace('x', [web, makePod({ name: 'not-run' })])
  record.pod(web).processes(() => new Map([['main', process.pid]]))
  const url = '/apis/metrics.k8s.io/v1beta1'
  /** It measures for a second of this clock. */
  const measured = async (path: string) => {
    let answer: Awaited<ReturnType<typeof get>> | undefined
    void get(`${url}${path}`).then(got => (answer = got))
    return await eventually(async () => {
      await clock.advance(1000)
      return answer
    })
  }
  const usage = { cpu: /^\d+n$/, memory: /^[1-9]\d*Ki$/ }
  const metrics = {
    metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
    timestamp: /^2026-01-01T/,
    window: '1s',
    containers: [{ name: 'main', usage }],
  }
  t.match(await measured('/pods'), {
    code: 200,
    body: { kind: 'PodMetricsList', items: [metrics] },
  })
  t.match(await measured('/namespaces/default/pods/web'), {
    code: 200,
    body: { kind: 'PodMetrics', ...metrics },
  })
  t.match(await get(`${url}/pods?labelSelector=app%3Dother`), {
    body: { items: { length: 0 } },
  })
  t.match(await get(`${url}/namespaces/default/pods/not-run`), {
    code: 404,
    body: { message: 'podmetrics.metrics.k8s.io "not-run" not found' },
  })
  t.match(await measured('/nodes'), {
    body: { kind: 'NodeMetricsList', items: [{ usage }] },
  })
  t.match(await get(`${url}/nodes/nope`), {
    code: 404,
    body: { message: 'nodemetrics.metrics.k8s.io "nope" not found' },
  })
  t.match(await get('/apis'), {
    body: {
      groups: [
        { name: 'apps' },
        { name: 'batch' },
        { name: 'discovery.k8s.io' },
        { name: 'podfs.io' },
        { name: 'metrics.k8s.io' },
      ],
    },
  })
  t.match(await get('/apis/metrics.k8s.io'), { body: { kind: 'APIGroup' } })
  t.match(await get(url), {
    body: { resources: [{ kind: 'NodeMetrics' }, { kind: 'PodMetrics' }] },
  })
})

t.test('the log of a container (3.12, 6.14, C346)', async t => {
  const { record, text, get, clock } = await startServer(t)
  const pod = makePod({ name: 'web' })
  const running = record.pod(pod)
  const url = '/api/v1/namespaces/default/pods/web/log'
  t.match((await get(url)).body, {
    code: 400,
    message: 'container "main" in pod "web" is not available',
  })
  const { containerID: _, ...waiting } = statusWith({})
    .containerStatuses[0] as PodStatus['containerStatuses'][number]
  running.status({
    ...statusWith({}),
    containerStatuses: [
      { ...waiting, state: { waiting: { reason: 'ContainerCreating' } } },
    ],
  })
  t.match((await get(url)).body, {
    message:
      'container "main" in pod "web" is waiting to start: ContainerCreating',
  })
  running.status(statusWith({ running: { startedAt: '' } }))
  t.equal(await text(url), '', 'nothing yet')
  running.output('main', containerID, 'stdout', Buffer.from('one\ntwo\n'))
  await clock.advance(10_000)
  running.output('main', containerID, 'stderr', Buffer.from('three\nhalf'))
  for (const [query, expected] of [
    ['', 'one\ntwo\nthree\n'],
    ['?tailLines=1', 'three\n'],
    ['?tailLines=0', ''],
    ['?sinceSeconds=5', 'three\n'],
    ['?sinceTime=2026-01-01T00:00:05Z', 'three\n'],
    ['?limitBytes=1', 'o'],
    [
      '?container=main&tailLines=1&timestamps=true',
      '2026-01-01T00:00:10.000000000Z three\n',
    ],
  ] as const)
    t.equal(await text(url + query), expected, query)
  for (const [query, code, message] of [
    ['?container=x', 400, 'container x is not valid for pod web'],
    [
      '?previous=true',
      400,
      'previous terminated container "main" in pod "web" not found',
    ],
    [
      '?tailLines=-1',
      422,
      'PodLogOptions "" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
    ],
    [
      '?sinceSeconds=0',
      422,
      'PodLogOptions "" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0',
    ],
    ['?tailLines=x', 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
  ] as const)
    t.match((await get(url + query)).body, { code, message }, query)
})

t.test(
  'the log is followed until the container ends; the one before is kept',
  async t => {
    const { record, open, text } = await startServer(t)
    const pod = makePod({ name: 'web' })
    const running = record.pod(pod)
    const url = '/api/v1/namespaces/default/pods/web/log'
    running.status(statusWith({ running: { startedAt: '' } }))
    running.output('main', containerID, 'stdout', Buffer.from('one\n'))
    const response = await open(`${url}?follow=true`)
    const chunks = response.setEncoding('utf8')[Symbol.asyncIterator]()
    t.equal((await chunks.next()).value, 'one\n')
    running.output('main', containerID, 'stdout', Buffer.from('two'))
    running.outputEnd('main', containerID)
    t.equal((await chunks.next()).value, 'two\n')
    t.ok((await chunks.next()).done)

    const second = containerID.replaceAll('a', 'b')
    const terminated = { containerID, exitCode: 1, reason: 'Error' }
    const status = statusWith({ running: { startedAt: '' } }, { terminated })
    running.status({
      ...status,
      containerStatuses: [
        {
          ...(status
            .containerStatuses[0] as (typeof status.containerStatuses)[number]),
          containerID: second,
        },
      ],
    })
    t.equal(await text(url), '', 'the new one has printed nothing')
    t.equal(await text(`${url}?previous=true`), 'one\ntwo\n')
  },
)

t.test('which container, when there are several', async t => {
  const { record, get } = await startServer(t)
  record.pod(
    makePod({
      name: 'web',
      spec: {
        containers: [
          makeContainer({ name: 'a' }),
          makeContainer({ name: 'b' }),
        ],
        initContainers: [makeContainer({ name: 'i' })],
      },
    }),
  )
  t.match((await get('/api/v1/namespaces/default/pods/web/log')).body, {
    code: 400,
    message:
      'a container name must be specified for pod web, choose one of: [a b] or one of the init containers: [i]',
  })
})

t.test('discovery names every resource', async t => {
  const { get } = await startServer(t)
  t.match((await get('/api')).body, { kind: 'APIVersions', versions: ['v1'] })
  t.match((await get('/apis')).body, {
    groups: [
      { name: 'apps' },
      { name: 'batch' },
      { name: 'discovery.k8s.io' },
      { name: 'podfs.io' },
    ],
  })
  const core = (await get('/api/v1')).body['resources'] as JsonObject[]
  t.same(
    core.map(({ name }) => name),
    [
      'configmaps',
      'endpoints',
      'events',
      'namespaces',
      'nodes',
      'pods',
      'pods/attach',
      'pods/ephemeralcontainers',
      'pods/exec',
      'pods/log',
      'pods/portforward',
      'pods/restart',
      'pods/start',
      'pods/status',
      'pods/stop',
      'replicationcontrollers',
      'replicationcontrollers/scale',
      'secrets',
      'serviceaccounts',
      'services',
      'serviceaccounts/token',
    ],
  )
  for (const { name, namespaced } of core)
    if (typeof name === 'string' && !name.includes('/'))
      t.equal(
        (
          await get(
            `/api/v1/${namespaced === true ? 'namespaces/default/' : ''}${name}`,
          )
        ).code,
        200,
      )
  t.match((await get('/apis/podfs.io/v1')).body, {
    resources: [{ name: 'volumes', shortNames: ['vol'] }],
  })
  const apps = (await get('/apis/apps/v1')).body['resources'] as JsonObject[]
  t.strictSame(
    apps.find(({ name }) => name === 'deployments/scale'),
    {
      name: 'deployments/scale',
      singularName: '',
      namespaced: true,
      group: 'autoscaling',
      version: 'v1',
      kind: 'Scale',
      verbs: ['get', 'patch', 'update'],
    },
  )
  t.match((await get('/apis/certificates.k8s.io/v1beta1')).body, {
    resources: [{ name: 'clustertrustbundles', namespaced: false }],
  })
  t.match((await get('/version')).body, {
    gitVersion: 'v1.34.0+podfs-0.0.0',
  })
})
