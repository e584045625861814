import t from 'tap'
import type { Volume } from '../../src/api/types.ts'
import {
  hiddenFileMessage,
  isManagedVolume,
  objectsReferenced,
  tokensRequested,
  type ProjectionResult,
} from '../../src/projection/projection.ts'
import { makeContainer, makePod, makeSecret } from '../helpers/make-objects.ts'
import {
  ofConfigMap,
  ofSecret,
  podName,
  project,
  projected,
  secret,
  tokenSource,
  type World,
} from '../helpers/project.ts'

const binary = '\xde\xca\xfe\xba\xd0\xfe\xff'

/** `path: 'mode text'`, with the owner after the mode if there is one. */
function filesOf(result: ProjectionResult): Record<string, string> {
  if (!result.ok) throw new Error(JSON.stringify(result.errors))
  return Object.fromEntries(
    [...result.payload].map(([path, { data, mode, fsUser }]) => [
      path,
      [
        mode.toString(8).padStart(4, '0'),
        ...(fsUser === undefined ? [] : [`uid=${fsUser}`]),
        Buffer.from(data).toString('latin1'),
      ].join(' '),
    ]),
  )
}

const projections: readonly {
  name: string
  volume: Volume
  world?: World
  files: Record<string, string>
}[] = [
  {
    name: 'C55 Secret with the default mode',
    volume: ofSecret(),
    files: { 'data-1': '0644 value-1', 'data-2': '0644 value-2' },
  },
  {
    name: 'C56 Secret with defaultMode',
    volume: ofSecret({ defaultMode: 0o400 }),
    files: { 'data-1': '0400 value-1', 'data-2': '0400 value-2' },
  },
  {
    name: 'C58 C59 Secret with items and an item mode: the other keys are absent',
    volume: ofSecret({
      items: [{ key: 'data-1', path: 'new-path-data-1', mode: 0o400 }],
    }),
    files: { 'new-path-data-1': '0400 value-1' },
  },
  {
    name: 'an empty list of items is no list',
    volume: ofSecret({ items: [] }),
    files: { 'data-1': '0644 value-1', 'data-2': '0644 value-2' },
  },
  {
    name: 'C39 C49 ConfigMap with binary data',
    volume: ofConfigMap(),
    files: {
      'data-1': '0644 value-1',
      'data-2': '0644 value-2',
      'dump.bin': `0644 ${binary}`,
    },
  },
  {
    name: 'C40 C44 C45 ConfigMap with items in directories',
    volume: ofConfigMap({
      defaultMode: 0o440,
      items: [
        { key: 'data-2', path: 'path/to/data-2' },
        { key: 'dump.bin', path: 'bin', mode: 0o400 },
      ],
    }),
    files: { 'path/to/data-2': '0440 value-2', bin: `0400 ${binary}` },
  },
  {
    name: 'C12 C50 a missing optional ConfigMap is empty',
    volume: ofConfigMap({ name: 'nope', optional: true }),
    files: {},
  },
  {
    name: 'C23 C62 a missing optional Secret is empty',
    volume: ofSecret({ secretName: 'nope', optional: true }),
    files: {},
  },
  {
    name: 'a missing key of an optional object is skipped, the others are not',
    volume: ofSecret({
      optional: true,
      items: [
        { key: 'nope', path: 'nope' },
        { key: 'data-1', path: 'one' },
      ],
    }),
    files: { one: '0644 value-1' },
  },
  {
    name: 'C01 all components of the projection API',
    volume: projected([
      { downwardAPI: { items: [podName] } },
      {
        secret: {
          name: 's',
          items: [{ key: 'data-1', path: 'secret' }],
          optional: false,
        },
      },
      {
        configMap: {
          name: 'c',
          items: [{ key: 'data-2', path: 'config' }],
          optional: false,
        },
      },
      { serviceAccountToken: tokenSource },
    ]),
    files: {
      podname: '0644 pod',
      secret: '0644 value-1',
      config: '0644 value-2',
      token: '0644 a.b.c',
    },
  },
  {
    name: 'C03 C08 C17 C27 C28 defaultMode of a projected volume, and an item’s',
    volume: projected(
      [
        {
          secret: {
            name: 's',
            items: [{ key: 'data-1', path: 's' }],
            optional: false,
          },
        },
        { downwardAPI: { items: [{ ...podName, mode: 0o444 }] } },
      ],
      0o400,
    ),
    files: { s: '0400 value-1', podname: '0444 pod' },
  },
  {
    name: 'a later source takes the place of an earlier one, also in the order',
    volume: projected([
      {
        secret: {
          name: 's',
          items: [{ key: 'data-1', path: 'x' }],
          optional: false,
        },
      },
      { downwardAPI: { items: [podName] } },
      {
        configMap: {
          name: 'c',
          items: [{ key: 'data-2', path: 'x', mode: 0o400 }],
          optional: false,
        },
      },
    ]),
    files: { podname: '0644 pod', x: '0400 value-2' },
  },
  { name: 'no sources', volume: projected([]), files: {} },
  {
    name: 'a source of nothing gives nothing, and keeps nobody from giving',
    volume: projected([{}, { downwardAPI: { items: [podName] } }]),
    files: { podname: '0644 pod' },
  },
  {
    name: 'an item of the downward API without a reference is an empty file',
    volume: projected([{ downwardAPI: { items: [{ path: 'empty' }] } }]),
    files: { empty: '0644 ' },
  },
  {
    name: 'C26 C31 C32 C66 C71 C72 downward API fields',
    volume: {
      name: 'v',
      downwardAPI: {
        defaultMode: 0o644,
        items: [
          podName,
          { path: 'ns', fieldRef: { fieldPath: 'metadata.namespace' } },
          { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
          { path: 'ann', fieldRef: { fieldPath: 'metadata.annotations' } },
          {
            path: 'one',
            fieldRef: { fieldPath: "metadata.labels['key1']" },
          },
        ],
      },
    },
    world: {
      pod: makePod({
        labels: { key3: 'value3', key1: 'value1' },
        annotations: { builder: 'foo\n' },
      }),
    },
    files: {
      podname: '0644 pod',
      ns: '0644 default',
      labels: '0644 key1="value1"\nkey3="value3"',
      ann: '0644 builder="foo\\n"',
      one: '0644 value1',
    },
  },
  {
    name: 'C33 C36 C37 C38 C73 C76 C77 C78 downward API resources',
    volume: {
      name: 'v',
      downwardAPI: {
        defaultMode: 0o644,
        items: [
          ['cpu_limit', 'main', 'limits.cpu'],
          ['memory_limit', 'main', 'limits.memory'],
          ['cpu_request', 'main', 'requests.cpu'],
          ['init_cpu', 'setup', 'limits.cpu'],
        ].map(([path = '', containerName = '', resource = '']) => ({
          path,
          resourceFieldRef: { containerName, resource },
        })),
      },
    },
    world: {
      pod: makePod({
        spec: {
          containers: [
            makeContainer({
              resources: {
                limits: new Map([['cpu', '1250m']]),
                requests: new Map([['cpu', '250m']]),
              },
            }),
          ],
          initContainers: [makeContainer({ name: 'setup' })],
        },
      }),
    },
    files: {
      cpu_limit: '0644 2',
      memory_limit: `0644 ${8 * 1024 ** 3}`,
      cpu_request: '0644 1',
      init_cpu: '0644 4',
    },
  },
]
for (const { name, volume, world, files } of projections)
  t.test(name, async t => {
    const result = filesOf(project(volume, world))
    t.strictSame(result, files)
    t.strictSame(Object.keys(result), Object.keys(files), 'in this order')
  })

t.test('a key named __proto__ is a key like any other', async t => {
  const odd = {
    ...secret,
    data: new Map([['__proto__', Buffer.from('x')]]),
  }
  const result = project(ofSecret(), { secrets: [odd] })
  t.ok(result.ok && result.payload.has('__proto__'))
})

t.test('what a volume needs', async t => {
  const mixed = projected([
    { secret: { name: 's1', optional: true } },
    { configMap: { name: 'c1', optional: false } },
    { secret: { name: 's1', optional: false } },
    { serviceAccountToken: tokenSource },
    { downwardAPI: { items: [] } },
    { secret: { name: 's2', optional: false } },
    { serviceAccountToken: { ...tokenSource, path: 'two' } },
  ])
  const rows: readonly {
    name: string
    volume: Volume
    managed: boolean
    secrets?: string[]
    configMaps?: string[]
    tokens?: string[]
  }[] = [
    { name: 'secret', volume: ofSecret(), managed: true, secrets: ['s'] },
    {
      name: 'configMap',
      volume: ofConfigMap(),
      managed: true,
      configMaps: ['c'],
    },
    {
      name: 'downwardAPI',
      volume: { name: 'v', downwardAPI: { items: [], defaultMode: 0o644 } },
      managed: true,
    },
    {
      name: 'projected',
      volume: mixed,
      managed: true,
      secrets: ['s1', 's2'],
      configMaps: ['c1'],
      tokens: ['token', 'two'],
    },
    {
      name: 'emptyDir',
      volume: { name: 'v', emptyDir: { medium: '' } },
      managed: false,
    },
    {
      name: 'hostPath',
      volume: { name: 'v', hostPath: { path: '/x', type: '' } },
      managed: false,
    },
  ]
  for (const { name, volume, managed, ...needs } of rows) {
    const { secrets = [], configMaps = [], tokens = [] } = needs
    t.equal(isManagedVolume(volume), managed, `${name}: managed`)
    const references = objectsReferenced(volume)
    const namesOf = (kind: string) =>
      references.filter(each => each.kind === kind).map(each => each.name)
    t.strictSame(
      { secrets: namesOf('Secret'), configMaps: namesOf('ConfigMap') },
      { secrets, configMaps },
      name,
    )
    t.equal(references.length, secrets.length + configMaps.length)
    t.strictSame(
      tokensRequested(volume).map(({ path }) => path),
      tokens,
      `${name}: tokens`,
    )
  }
  t.throws(
    () => project({ name: 'v', emptyDir: { medium: '' } }),
    new TypeError('volume v is not a managed volume'),
  )
})

t.test(
  'what nobody sees, because a later source has the same path',
  async t => {
    const other = makeSecret({
      name: 'other',
      data: { 'data-2': 'theirs', token: 'no token' },
    })
    const world = { secrets: [secret, other] }
    const whole = (name: string) => ({ secret: { name, optional: false } })
    const item = (path: string) => ({
      secret: { name: 's', items: [{ key: 'data-1', path }], optional: false },
    })
    const source = (i: number) => `spec.volumes[0].projected.sources[${i}]`
    const hidden = (...sources: Parameters<typeof projected>[0]) =>
      project(projected(sources), world).hidden

    t.strictSame(
      hidden(whole('s'), whole('other'), { serviceAccountToken: tokenSource }),
      [
        {
          path: 'data-2',
          fieldPath: `${source(1)}.secret.name`,
          earlierFieldPath: `${source(0)}.secret.name`,
        },
        {
          path: 'token',
          fieldPath: `${source(2)}.serviceAccountToken.path`,
          earlierFieldPath: `${source(1)}.secret.name`,
        },
      ],
    )
    t.strictSame(
      hidden(item('token'), { serviceAccountToken: tokenSource }),
      [],
      'both stand in the Pod, whose validation warns',
    )
    t.strictSame(
      hidden(
        { downwardAPI: { items: [{ ...podName, path: 'ca' }] } },
        { clusterTrustBundle: { name: 'x', path: 'ca', optional: true } },
        item('ca'),
      ),
      [],
      'and so do these',
    )
    t.strictSame(
      hidden(
        whole('s'),
        { downwardAPI: { items: [podName, { ...podName, path: 'data-1' }] } },
        {
          clusterTrustBundle: { name: 'x', path: 'data-2', optional: true },
        },
      ).map(({ path, fieldPath }) => `${path}: ${fieldPath}`),
      [
        `data-1: ${source(1)}.downwardAPI.items[1].path`,
        `data-2: ${source(2)}.clusterTrustBundle.path`,
      ],
    )
    t.strictSame(
      hidden(item('data-2'), whole('other'), whole('missing')),
      [
        {
          path: 'data-2',
          fieldPath: `${source(1)}.secret.name`,
          earlierFieldPath: `${source(0)}.secret.items[0].path`,
        },
      ],
      'also of a volume that cannot be projected',
    )
  },
)

t.test('which object each file is of', async t => {
  const result = project(
    projected([
      { secret: { name: 's', optional: false } },
      {
        configMap: {
          name: 'c',
          items: [{ key: 'data-1', path: 'config' }],
          optional: false,
        },
      },
      { downwardAPI: { items: [podName] } },
      { serviceAccountToken: tokenSource },
    ]),
    { pod: makePod({ name: 'web', spec: { serviceAccountName: 'builder' } }) },
  )
  if (!result.ok) throw new Error(JSON.stringify(result.errors))
  t.strictSame(
    [...result.payload].map(
      ([path, { origin }]) => `${path}: ${origin?.kind} ${origin?.name}`,
    ),
    [
      'data-1: Secret s',
      'data-2: Secret s',
      'config: ConfigMap c',
      'podname: Pod web',
      'token: ServiceAccount builder',
    ],
  )
})

t.test('a container of the Pod comes before an init container', async t => {
  const cpu = (name: string, limit: string) =>
    makeContainer({
      name,
      resources: { limits: new Map([['cpu', limit]]), requests: new Map() },
    })
  const resourceFieldRef = { containerName: 'same', resource: 'limits.cpu' }
  const files = filesOf(
    project(
      projected([
        { downwardAPI: { items: [{ path: 'c', resourceFieldRef }] } },
      ]),
      {
        pod: makePod({
          spec: {
            initContainers: [cpu('same', '1')],
            containers: [cpu('other', '3'), cpu('same', '2')],
          },
        }),
      },
    ),
  )
  t.strictSame(files, { c: '0644 2' })
})

t.test('what is said of a file that nobody sees', async t => {
  const field = 'spec.volumes[0].projected.sources'
  const hidden = {
    path: 'a"b',
    fieldPath: `${field}[1].secret.name`,
    earlierFieldPath: `${field}[0].secret.name`,
  }
  t.equal(
    hiddenFileMessage(hidden, projected([])),
    `volume "v": "a\\"b" takes the place of that of ${field}[0].secret.name`,
  )
})
