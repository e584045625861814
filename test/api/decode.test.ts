import t from 'tap'
import type { FieldUse, ObjectFields } from '../../src/api/report.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'

/* What is wrong with the shape of an object, and what to type instead. */

function read(text: string) {
  const told: ObjectFields[] = []
  const { objects, findings } = readManifest(text, 'f.yaml', {
    namespace: 'default',
    onFields: fields => told.push(fields),
  })
  return { objects, findings, told }
}

/** `treatment PATH: message (fix)`, without the one line that every container has. */
const linesOf = (text: string) =>
  read(text)
    .findings.filter(({ message }) => !message.includes('pulls no image;'))
    .map(
      ({ treatment, fieldPath, message, fix }) =>
        `${treatment} ${fieldPath === undefined ? '' : `${fieldPath}: `}${message}${fix === undefined ? '' : ` (${fix})`}`,
    )

const object = (kind: string, fields: string) =>
  `{apiVersion: v1, kind: ${kind}, metadata: {name: x}, ${fields}}`
const pod = (fields: string) =>
  object('Pod', `spec: {containers: [{name: c, image: i}], ${fields}}`)
const container = (fields: string) =>
  object('Pod', `spec: {containers: [{name: c, image: i, ${fields}}]}`)

t.test('values of another type, and what to type', async t => {
  const c = 'spec.containers[0]'
  const rows: readonly (readonly [string, ...string[]])[] = [
    [
      object('ConfigMap', 'data: {a: 1, b: true, c: [x], d: {}, e: null}'),
      'rejected data[a]: must be a string, not a number (put the value in quotes)',
      'rejected data[b]: must be a string, not a boolean (put the value in quotes)',
      'rejected data[c]: must be a string, not a list',
      'rejected data[d]: must be a string, not a mapping',
    ],
    [
      object('ConfigMap', 'data: [x], immutable: "true"'),
      'rejected data: must be a mapping, not a list',
      'rejected immutable: must be a boolean, not a string (write true or false, no quotes)',
    ],
    [
      object('ConfigMap', 'immutable: 1'),
      'rejected immutable: must be a boolean, not a number',
    ],
    [
      '{apiVersion: v1, kind: ConfigMap, metadata: [x]}',
      'rejected metadata: must be a mapping, not a list',
    ],
    [
      object('ConfigMap', 'binaryData: {a: "*", b: 5}'),
      'rejected binaryData[a]: illegal base64 data at input byte 0 (plain text belongs under data)',
      'rejected binaryData[b]: must be base64 in a string, not a number',
    ],
    [
      object('Secret', 'data: {a: "YQ*="}'),
      'rejected data[a]: illegal base64 data at input byte 2 (plain text belongs under stringData)',
    ],
    [
      pod('terminationGracePeriodSeconds: "30"'),
      'rejected spec.terminationGracePeriodSeconds: must be a whole number, not a string (write the number without quotes)',
    ],
    [
      pod('terminationGracePeriodSeconds: [1]'),
      'rejected spec.terminationGracePeriodSeconds: must be a whole number, not a list',
    ],
    [
      pod('terminationGracePeriodSeconds: 1.5'),
      'rejected spec.terminationGracePeriodSeconds: must be a whole number of type int64, not 1.5',
    ],
    [pod('terminationGracePeriodSeconds: 2147483648')],
    [
      pod('terminationGracePeriodSeconds: 9223372036854775808'),
      'rejected spec.terminationGracePeriodSeconds: must be a whole number of type int64, not 9223372036854776000',
    ],
    [
      container('ports: [{containerPort: 2147483648}]'),
      `rejected ${c}.ports[0].containerPort: must be a whole number of type int32, not 2147483648`,
    ],
    [
      container('ports: [{containerPort: -2147483649}]'),
      `rejected ${c}.ports[0].containerPort: must be a whole number of type int32, not -2147483649`,
    ],
    [
      container('ports: [{containerPort: -2147483648}]'),
      `rejected ${c}.ports[0].containerPort: Invalid value: -2147483648: must be between 1 and 65535, inclusive`,
    ],
    [
      object('Pod', 'spec: {containers: {name: a}}'),
      'rejected spec.containers: must be a list, not a mapping (begin each item with a dash, as in - name: ...)',
    ],
    [
      object('Pod', 'spec: {containers: a}'),
      'rejected spec.containers: must be a list, not a string (write a list: each item begins with a dash)',
    ],
    [
      container('command: sh, args: {a: b}'),
      `rejected ${c}.command: must be a list, not a string (write a list, such as command: [a, b])`,
      `rejected ${c}.args: must be a list, not a mapping (write a list, such as args: [a, b])`,
    ],
    [
      object('Pod', 'spec: {containers: [a]}'),
      'rejected spec.containers[0]: must be a mapping, not a string',
    ],
    [
      pod('overhead: {cpu: [1], memory: x, ephemeral-storage: null}'),
      'ignored spec.overhead: ignored: containers are local processes',
      'rejected spec.overhead[cpu]: must be a quantity such as 100m or 64Mi, not a list',
      "rejected spec.overhead[memory]: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      pod('restartPolicy: 5'),
      'rejected spec.restartPolicy: must be a string, not a number (put the value in quotes)',
    ],
    [
      pod('restartPolicy: Sometimes'),
      'rejected spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ],
  ]
  for (const [text, ...lines] of rows) t.strictSame(linesOf(text), lines, text)
})

t.test('fields that are not there, or that podfs does not do', async t => {
  const rows: readonly (readonly [string, ...string[]])[] = [
    [
      container('imag: i'),
      'rejected spec.containers[0].imag: unknown field "spec.containers[0].imag" (did you mean image?)',
    ],
    [
      pod('image: i'),
      'rejected spec.image: unknown field "spec.image" (image is a field of a container: look at the indentation)',
    ],
    [
      object('Pod', 'containers: []'),
      'rejected spec.containers: Required value',
      'rejected containers: unknown field "containers" (containers is a field of spec: look at the indentation)',
    ],
    [
      pod('labels: {}'),
      'rejected spec.labels: unknown field "spec.labels" (labels is a field of metadata: look at the indentation)',
    ],
    [
      container('stringData: {}'),
      'rejected spec.containers[0].stringData: unknown field "spec.containers[0].stringData" (stringData is a field of the object itself: look at the indentation)',
    ],
    [
      pod('scheme: HTTP'),
      'rejected spec.scheme: unknown field "spec.scheme" (scheme is a field of httpGet: look at the indentation)',
    ],
    [
      pod('qqqqqqqq: 1'),
      'rejected spec.qqqqqqqq: unknown field "spec.qqqqqqqq"',
    ],
    [
      pod('affinity: {podAffinity: {}, nodeAffinity: {qqqqqqqq: 1}}'),
      'ignored spec.affinity.podAffinity: ignored: there is one node, this machine',
      'rejected spec.affinity.nodeAffinity.qqqqqqqq: unknown field "spec.affinity.nodeAffinity.qqqqqqqq"',
    ],
    [
      pod('imagePullSecrets: [{name: a}]'),
      'emulated spec.imagePullSecrets: emulated: podfs pulls no image',
    ],
    [pod('imagePullSecrets: [], affinity: null')],
    [
      pod('volumes: [{name: v, nfs: {server: a, path: /x, foo: 1}}]'),
      'rejected spec.volumes[0].nfs: podfs mounts no NFS: mount it on this machine and name its mount point in a hostPath',
      'rejected spec.volumes[0].nfs.foo: unknown field "spec.volumes[0].nfs.foo"',
    ],
  ]
  for (const [text, ...lines] of rows) t.strictSame(linesOf(text), lines, text)
})

t.test('a document that is no object, or none of these kinds', async t => {
  const rows: readonly (readonly [string, ...string[]])[] = [
    ['5', 'rejected a Kubernetes object was expected, not a number'],
    ['[a]', 'rejected a Kubernetes object was expected, not a list'],
    ['{kind: Pod}', 'rejected apiVersion not set'],
    ['{kind: Pod, apiVersion: 1}', 'rejected apiVersion not set'],
    ['{kind: Pod, apiVersion: ""}', 'rejected apiVersion not set'],
    ['{apiVersion: v1}', 'rejected kind not set'],
    ['{apiVersion: v1, kind: 5}', 'rejected kind not set'],
    ['{kind: List, items: []}', 'rejected apiVersion not set'],
    ['{apiVersion: 1, kind: List, items: []}', 'rejected apiVersion not set'],
    [
      '{apiVersion: v1, kind: List, items: x}',
      'rejected items: must be a list, not a string',
    ],
    ['{apiVersion: v1, kind: List}'],
    [
      `{apiVersion: v1, kind: PodList, items: [7, ${pod('port: 1')}]}`,
      'rejected a Kubernetes object was expected, not a number',
      'rejected spec.port: unknown field "spec.port" (port is a field of httpGet: look at the indentation)',
    ],
    [
      '{apiVersion: v1, kind: AllowList}',
      'ignored ignored: podfs does nothing with an AllowList',
    ],
    [
      '{apiVersion: v1, kind: Namespace}',
      'ignored ignored: podfs does nothing with a Namespace',
    ],
    [
      '{apiVersion: v1, kind: LimitEntry}',
      'ignored ignored: podfs does nothing with a LimitEntry',
    ],
    [object('ConfigMap', 'items: []'), 'rejected items: unknown field "items"'],
    [
      '{apiVersion: v2, kind: ConfigMap}',
      'rejected apiVersion: no matches for kind "ConfigMap" in version "v2" (apiVersion: v1)',
    ],
    [
      '{apiVersion: apps/v1, kind: ConfigMap}',
      'rejected apiVersion: no matches for kind "ConfigMap" in version "apps/v1" (apiVersion: v1)',
    ],
    [
      '{apiVersion: example.com/v1, kind: ConfigMap}',
      'ignored ignored: podfs does nothing with a ConfigMap',
    ],
  ]
  for (const [text, ...lines] of rows) t.strictSame(linesOf(text), lines, text)
})

t.test('a Service, and nothing that is ignored', async t => {
  const kindsOf = (apiVersion: string, kind: string) =>
    read(
      `{apiVersion: ${apiVersion}, kind: ${kind}, metadata: {name: x}}`,
    ).objects.map(each => each.kind)
  t.strictSame(kindsOf('v1', 'Service'), [], 'without ports')
  t.strictSame(kindsOf('v2', 'Service'), [])
  t.strictSame(kindsOf('v1', 'LimitRange'), [])
  t.strictSame(kindsOf('v2', 'ConfigMap'), [])
  const service = (text: string) =>
    read(`{apiVersion: v1, kind: Service, ${text}}`).objects
  t.match(service('metadata: {name: x}, spec: {clusterIP: None}'), [
    { kind: 'Service', spec: { clusterIP: 'None' } },
  ])
  t.match(
    service('metadata: {name: x}, spec: {ports: [{port: 1}]}')[0]?.metadata.uid,
    /^[0-9a-f]{8}-[0-9a-f]{4}-8/,
  )
  const mistakes = (text: string) =>
    read(`{apiVersion: v1, kind: Service, ${text}}`)
      .findings.filter(({ treatment }) => treatment === 'rejected')
      .map(({ fieldPath, message }) => `${fieldPath}: ${message}`)
  const ofSpec = (spec: string) =>
    mistakes(`metadata: {name: x}, spec: ${spec}`)
  t.strictSame(ofSpec('{}'), ['spec.ports: Required value'])
  t.strictSame(ofSpec('{type: ExternalName}'), [
    'spec.externalName: Required value',
  ])
  t.strictSame(ofSpec('{type: ExternalName, externalName: a.b.}'), [])
  t.strictSame(
    ofSpec('{ports: [{port: 0}, {name: a, port: 1, targetPort: 65536}]}'),
    [
      'spec.ports[0].name: Required value',
      'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
      'spec.ports[1].targetPort: Invalid value: 65536: must be between 1 and 65535, inclusive',
    ],
  )
  t.strictSame(
    ofSpec('{ports: [{name: a, port: 1}, {name: a, port: 2, protocol: X}]}'),
    [
      'spec.ports[1].name: Duplicate value: "a"',
      'spec.ports[1].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
    ],
  )
  t.strictSame(ofSpec('{ports: [{name: a, port: 1}, {name: b, port: 1}]}'), [
    'spec.ports[1]: Duplicate value: "TCP 1"',
  ])
  t.match(mistakes('metadata: {name: 1x}, spec: {clusterIP: None}'), [
    /^metadata.name: Invalid value: "1x": a DNS-1035 label must/,
  ])
})

t.test('the places of what is in a List', async t => {
  const { findings } = read(`apiVersion: v1
kind: List
items:
- 7
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: x}
  data: {a: 1}
- apiVersion: v1
  kind: Namespace
`)
  t.strictSame(
    findings.map(({ position: { line, column } }) => `${line}:${column}`),
    ['4:3', '8:10', '9:3'],
  )
})

t.test('what metadata says stays', async t => {
  const [map, plain] = read(
    `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, uid: u-1, namespace: shop,
  labels: {a: b}, annotations: {c: d}, creationTimestamp: "2020-02-20T20:20:20Z"}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}`,
  ).objects
  t.strictSame(map?.metadata, {
    name: 'a',
    namespace: 'shop',
    uid: 'u-1',
    labels: new Map([['a', 'b']]),
    annotations: new Map([['c', 'd']]),
    creationTimestamp: '2020-02-20T20:20:20Z',
  })
  t.strictSame(plain?.metadata, {
    name: 'b',
    namespace: 'default',
    uid: '',
    labels: new Map(),
    annotations: new Map(),
  })
})

t.test('what a finding calls the object', async t => {
  const rows = [
    ['kind: Pod', { kind: 'Pod', namespace: 'default', name: '(no name)' }],
    [
      'kind: Job, metadata: {name: j, namespace: shop}',
      { kind: 'Job', namespace: 'shop', name: 'j' },
    ],
    [
      'kind: Pod, metadata: {generateName: g-, namespace: 5}',
      { kind: 'Pod', namespace: 'default', name: 'g-' },
    ],
    ['kind: ClusterTrustBundle', { name: '(no name)' }],
    ['kind: Node, metadata: {name: one}', { kind: 'Node', name: 'one' }],
  ] as const
  for (const [fields, expected] of rows) {
    const [finding] = read(`{apiVersion: v9, ${fields}}`).findings
    t.strictSame(
      finding?.object,
      { kind: finding?.object?.kind, ...expected },
      fields,
    )
  }
})

t.test('a name that is made up is the same each time', async t => {
  const nameOf = (generateName: string) =>
    read(
      `{apiVersion: v1, kind: ConfigMap, metadata: {generateName: ${generateName}}}`,
    ).objects[0]?.metadata.name ?? ''
  t.match(nameOf('a-'), /^a-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  t.equal(nameOf('a-'), nameOf('a-'))
  const all = ['a-', 'b-', 'ab-', 'ba-', 'a'.repeat(60)].map(nameOf)
  t.equal(new Set(all.map(name => name.slice(-5))).size, all.length)
  t.equal(all.at(-1)?.length, 63)
})

t.test('what stands in the input is told, field by field', async t => {
  const { told } = read(
    object(
      'Pod',
      `spec: {
  restartPolicy: Never, priority: 3, imagePullSecrets: [], volumes: [],
  affinity: {podAffinity: {}}, securityContext: {}, nodeName: null,
  containers: [{name: c, image: i, resources: {limits: {cpu: 1}}}]}`,
    ),
  )
  const [first] = told
  t.equal(told.length, 1)
  t.strictSame(first?.object, { kind: 'Pod', namespace: 'default', name: 'x' })
  t.match(first?.position, { line: 1, column: 1 })
  const uses = new Map(
    first?.fields.map(({ fieldPath, ...use }): [string, Partial<FieldUse>] => [
      fieldPath,
      use,
    ]),
  )
  t.match(uses.get('spec.priority'), {
    treatment: 'ignored',
    position: { line: 2, column: 25 },
  })
  t.strictSame(
    [...uses].map(([path, use]) => `${path} ${use.treatment}`),
    [
      'apiVersion supported',
      'kind supported',
      'metadata.name supported',
      'spec.restartPolicy supported',
      'spec.priority ignored',
      'spec.imagePullSecrets emulated',
      'spec.affinity.podAffinity ignored',
      'spec.securityContext supported',
      'spec.containers[0].name supported',
      'spec.containers[0].image emulated',
      'spec.containers[0].resources.limits supported',
    ],
  )
  t.same(read('{apiVersion: v9, kind: Pod}').told, [])
})

t.test('of too much the first is told', async t => {
  const many = Array.from({ length: 1200 }, (_, i) => `a${i}: 1`).join(', ')
  const lines = linesOf(object('ConfigMap', `data: {${many}}`))
  t.equal(lines.length, 1000)
  t.equal(
    lines.filter(
      line =>
        line ===
        'rejected more than 1000 things are to be said of this object; these are the first',
    ).length,
    1,
  )
  t.equal(read(object('ConfigMap', `data: {${many}}`)).objects.length, 0)
})

t.test('a mistake of a million letters is shortened', async t => {
  const pathOf = (key: string) =>
    read(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'x' },
        data: { [key]: 1 },
      }),
    ).findings[0]?.fieldPath
  const [b, whole] = ['b'.repeat(19_998), 'b'.repeat(9_994)]
  const shortened = `data[a${b.slice(0, 4994)}...${b.slice(0, 2498)}c]`
  t.ok(pathOf(`a${b}c`) === shortened)
  t.ok(pathOf(whole) === `data[${whole}]`)
})

t.test('what the API server fills in', async t => {
  const specOf = (text: string) => {
    const [first] = read(text).objects
    if (first?.kind !== 'Pod') throw new Error(linesOf(text).join('\n'))
    return first.spec
  }
  const { spec } = {
    spec: specOf(
      object(
        'Pod',
        `spec: {
  securityContext: {supplementalGroups: [null, 7]},
  terminationGracePeriodSeconds: -5, serviceAccount: old, restartPolicy: "",
  volumes: [{name: v}, {name: w, hostPath: {path: /x}}],
  initContainers: [{name: a, image: i, restartPolicy: Always}],
  containers: [{name: c, image: i, command: [null, b], env: [{name: A, value: null}],
    resources: {limits: {cpu: 2, memory: 1Gi}, requests: {cpu: 1}}}]}`,
      ),
    ),
  }
  t.equal(spec.terminationGracePeriodSeconds, 1)
  t.equal(spec.serviceAccountName, 'old')
  t.strictSame(spec.securityContext.supplementalGroups, [0, 7])
  t.equal(spec.restartPolicy, 'Always')
  t.match(spec.volumes, [
    { name: 'v', emptyDir: { medium: '' } },
    { name: 'w', hostPath: { path: '/x' } },
  ])
  t.equal('emptyDir' in (spec.volumes[1] ?? {}), false)
  t.equal(spec.initContainers[0]?.restartPolicy, 'Always')
  const [first] = spec.containers
  t.strictSame(first?.command, ['', 'b'])
  t.strictSame(Object.fromEntries(first?.resources.requests ?? []), {
    cpu: '1',
    memory: '1Gi',
  })
  t.equal(
    specOf(pod('terminationGracePeriodSeconds: 0'))
      .terminationGracePeriodSeconds,
    0,
  )
  const named = pod('serviceAccountName: new, serviceAccount: old')
  t.equal(specOf(named).serviceAccountName, 'new')
  t.equal(specOf(pod('hostNetwork: false')).serviceAccountName, 'default')
})

t.test('the data of a Secret, and a ServiceAccount', async t => {
  const { objects } = read(
    [
      object(
        'Secret',
        'data: {a: YQ==, b: Yg==}, stringData: {b: x}, immutable: true',
      ),
      object('Secret', 'type: my/type'),
      object('ConfigMap', 'immutable: true'),
      object('ServiceAccount', 'automountServiceAccountToken: false'),
      object('ServiceAccount', ''),
    ].join('\n---\n'),
  )
  const [secret, other, map, account, plain] = objects
  if (secret?.kind !== 'Secret') throw new Error('no Secret')
  const data = [...secret.data].map(([key, bytes]) => [
    key,
    Buffer.from(bytes).toString(),
  ])
  t.strictSame(Object.fromEntries(data), { a: 'a', b: 'x' })
  t.match(secret, { type: 'Opaque', immutable: true })
  t.match(other, { type: 'my/type', immutable: false })
  t.match(map, { immutable: true })
  t.match(read(object('ConfigMap', 'data: {}')).objects, [{ immutable: false }])
  t.match(account, { automountServiceAccountToken: false })
  t.equal('automountServiceAccountToken' in (plain ?? {}), false)
})
