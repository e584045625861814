import { readFileSync } from 'node:fs'
import t from 'tap'
import { decodeObject } from '../../src/api/decode/decode-object.ts'
import { encodeObject } from '../../src/api/encode/encode-object.ts'
import type { Json } from '../../src/api/json.ts'
import type { KubeObject, Pod } from '../../src/api/types.ts'
import type { Value } from '../../src/api/value.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'
import {
  makeConfigMap,
  makePod,
  makeProbe,
  makeTrustBundle,
} from '../helpers/make-objects.ts'

const position = { path: 'x', line: 1, column: 1 }
const source = { ...position, positionOf: () => position }

function valueOf(json: Json): Value {
  if (Array.isArray(json)) return json.map(valueOf)
  if (typeof json !== 'object' || json === null) return json
  return new Map(
    Object.entries(json).map(([key, each]) => [key, valueOf(each)]),
  )
}

/** All but the place in the file. */
function comparable(object: KubeObject): unknown {
  return { ...object, source: undefined }
}

const manifests = [
  'examples/quickstart/app.yaml',
  'examples/quickstart/config.yaml',
  'examples/classic/host-aliases.yaml',
  'examples/classic/downward-api.yaml',
  'examples/classic/projected-secrets.yaml',
  'examples/classic/lifecycle.yaml',
  'examples/classic/probes.yaml',
  'test/fixtures/look/everything.yaml',
]

for (const path of manifests)
  t.test(`what is encoded decodes to the same object: ${path}`, async t => {
    const { objects } = readManifest(readFileSync(path, 'utf8'), path, {
      namespace: 'default',
    })
    t.ok(objects.length > 0)
    for (const object of objects) {
      const json = JSON.parse(JSON.stringify(encodeObject(object))) as Json
      const again = decodeObject(valueOf(json), source, { namespace: 'other' })
      t.same(
        again.findings.filter(({ treatment }) => treatment === 'rejected'),
        [],
      )
      t.same(again.objects.map(comparable), [comparable(object)])
    }
  })

t.test('what says nothing is left out, what says something stays', async t => {
  const pod = makePod({ spec: { terminationGracePeriodSeconds: 0 } })
  t.strictSame(encodeObject(pod)['spec'], {
    containers: [
      {
        name: 'main',
        image: 'busybox',
        resources: {},
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
      },
    ],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 0,
    serviceAccountName: 'default',
    securityContext: {},
  })
})

t.test('a key called __proto__ is a key', async t => {
  const data = new Map([['__proto__', 'x']])
  const json = encodeObject({ ...makeConfigMap(), data })
  t.equal(JSON.stringify(json['data']), '{"__proto__":"x"}')
})

t.test('metadata has what the object has', async t => {
  const bare = makeTrustBundle({ name: 'ca', uid: '', trustBundle: 'PEM' })
  t.strictSame(encodeObject(bare), {
    apiVersion: 'certificates.k8s.io/v1beta1',
    kind: 'ClusterTrustBundle',
    metadata: { name: 'ca' },
    spec: { trustBundle: 'PEM' },
  })
  const labels = { a: 'b' }
  const annotations = { c: 'd' }
  const map = makeConfigMap({ name: 'x', uid: 'u', labels, annotations })
  t.strictSame(encodeObject(map), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'x',
      namespace: 'default',
      uid: 'u',
      labels,
      annotations,
    },
  })
})

t.test('what no field of Kubernetes is does not go out', async t => {
  const { kind, metadata, source, spec } = makePod({
    spec: { volumes: [{ name: 'v', emptyDir: { medium: '' } }] },
  })
  const livenessProbe = makeProbe({ exec: { command: ['true'] } })
  const pod: Pod = {
    kind,
    metadata,
    source,
    workload: { kind: 'Job', name: 'j', templatePath: 'spec.template' },
    spec: {
      ...spec,
      containers: spec.containers.map(each => ({ ...each, livenessProbe })),
    },
  }
  const json = encodeObject(pod)
  t.strictSame(Object.keys(json), ['apiVersion', 'kind', 'metadata', 'spec'])
  const { containers, volumes } = json['spec'] as {
    readonly containers: readonly object[]
    readonly volumes: readonly object[]
  }
  t.strictSame(volumes, [{ name: 'v', emptyDir: {} }])
  t.strictSame(containers, [
    {
      name: 'main',
      image: 'busybox',
      resources: {},
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: 'File',
      livenessProbe: {
        exec: { command: ['true'] },
        timeoutSeconds: 1,
        periodSeconds: 10,
        successThreshold: 1,
        failureThreshold: 3,
      },
    },
  ])
})

t.test('what no table looks into goes out as it came', async t => {
  const podFailurePolicy = {
    rules: [{ action: 'Ignore', onExitCodes: { operator: 'In', values: [3] } }],
  }
  const template = {
    spec: {
      restartPolicy: 'Never',
      containers: [{ name: 'c', image: 'busybox' }],
    },
  }
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'j' },
    spec: { podFailurePolicy, template },
  }
  const { objects } = readManifest(JSON.stringify(job), 'f.json', {
    namespace: 'default',
  })
  const shown = objects.find(({ kind }) => kind === 'Job')
  if (shown === undefined) throw new Error('not read')
  t.match(encodeObject(shown), { spec: { podFailurePolicy } })
})

t.test('a Service, which podfs only shows', async t => {
  const spec = { clusterIP: 'None', ports: [{ port: 80, targetPort: 'web' }] }
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec,
  }
  const [shown] = readManifest(JSON.stringify(service), 'f.json', {
    namespace: 'default',
  }).objects
  if (shown === undefined) throw new Error('not read')
  t.match(encodeObject(shown), { apiVersion: 'v1', kind: 'Service', spec })
})
