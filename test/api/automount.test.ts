import t from 'tap'
import {
  hasRootCertificateInEnv,
  rootConfigMap,
  withServiceAccountVolume,
} from '../../src/api/automount.ts'
import type { ServiceAccount } from '../../src/api/types.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

const place = '/var/run/secrets/kubernetes.io/serviceaccount'

function account(automount?: boolean): ServiceAccount {
  const { metadata, source } = makePod({ name: 'default' })
  return {
    kind: 'ServiceAccount',
    metadata,
    source,
    ...(automount !== undefined && { automountServiceAccountToken: automount }),
  }
}

const pod = (automount?: boolean) =>
  makePod({
    spec: {
      ...(automount !== undefined && {
        automountServiceAccountToken: automount,
      }),
    },
  })

for (const [ofPod, ofAccount, wanted] of [
  [undefined, undefined, true],
  [undefined, true, true],
  [undefined, false, false],
  [true, undefined, true],
  [true, true, true],
  [true, false, true],
  [false, undefined, false],
  [false, true, false],
  [false, false, false],
] as const)
  t.test(
    `C80: the Pod says ${ofPod}, its ServiceAccount ${ofAccount}`,
    async t => {
      const { spec } = withServiceAccountVolume(pod(ofPod), account(ofAccount))
      t.equal(spec.volumes.length, wanted ? 1 : 0)
      t.equal(spec.containers[0]?.volumeMounts.length, wanted ? 1 : 0)
    },
  )

t.test('C79: what is added, and that it comes last', async t => {
  const mount = { name: 'data', mountPath: '/data', readOnly: false }
  const before = makePod({
    spec: {
      volumes: [{ name: 'data', emptyDir: { medium: '' } }],
      initContainers: [makeContainer({ name: 'init' })],
      containers: [makeContainer({ volumeMounts: [mount] })],
    },
  })
  const { spec } = withServiceAccountVolume(before, undefined)
  const [, added] = spec.volumes
  t.match(added?.name, /^kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  t.strictSame(added?.projected, {
    defaultMode: 0o644,
    sources: [
      { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
      {
        configMap: {
          name: 'kube-root-ca.crt',
          items: [{ key: 'ca.crt', path: 'ca.crt' }],
          optional: false,
        },
      },
      {
        downwardAPI: {
          items: [
            {
              path: 'namespace',
              fieldRef: { fieldPath: 'metadata.namespace' },
            },
          ],
        },
      },
    ],
  })
  const own = { name: added?.name, mountPath: place, readOnly: true }
  t.strictSame(spec.containers[0]?.volumeMounts, [mount, own])
  t.strictSame(spec.initContainers[0]?.volumeMounts, [own])
  t.strictSame(
    withServiceAccountVolume(before, undefined),
    withServiceAccountVolume(before, undefined),
    'the same each time: a re-read is no change',
  )
  const others = [{ name: 'other' }, { namespace: 'other' }].map(
    each => withServiceAccountVolume(makePod(each), undefined).spec.volumes,
  )
  t.equal(new Set([spec, ...others].map(each => JSON.stringify(each))).size, 3)
})

t.test('what is there already stays', async t => {
  const mount = { name: 'data', mountPath: place, readOnly: false }
  const volumes = [{ name: 'data', emptyDir: { medium: '' as const } }]
  const taken = makePod({
    spec: { volumes, containers: [makeContainer({ volumeMounts: [mount] })] },
  })
  t.equal(withServiceAccountVolume(taken, undefined), taken)

  const fromCluster = withServiceAccountVolume(
    makePod({ name: 'web-0' }),
    undefined,
  )
  t.equal(withServiceAccountVolume(fromCluster, undefined), fromCluster)
  const { containers, ...spec } = fromCluster.spec
  const second = makeContainer({ name: 'second' })
  const again = withServiceAccountVolume(
    { ...fromCluster, spec: { ...spec, containers: [...containers, second] } },
    undefined,
  )
  t.equal(again.spec.volumes.length, 1, 'its own volume is used')
  t.equal(again.spec.containers[0], containers[0])
  t.strictSame(
    again.spec.containers[1]?.volumeMounts,
    containers[0]?.volumeMounts,
  )
})

t.test('kube-root-ca.crt of the Pod, and who has it as variables', async t => {
  const map = rootConfigMap(makePod({ namespace: 'shop' }), 'PEM')
  t.match(map, {
    kind: 'ConfigMap',
    metadata: { name: 'kube-root-ca.crt', namespace: 'shop', uid: '' },
    immutable: false,
  })
  t.strictSame(
    [map.data, map.binaryData, map.metadata.labels, map.metadata.annotations],
    [new Map([['ca.crt', 'PEM']]), new Map(), new Map(), new Map()],
  )

  const key = (name: string) =>
    makeContainer({
      env: [
        { name: 'A', value: '' },
        { name: 'B', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        {
          name: 'C',
          valueFrom: { configMapKeyRef: { name, key: 'k', optional: false } },
        },
      ],
    })
  const all = (name: string) =>
    makeContainer({
      envFrom: [
        { prefix: '', secretRef: { name, optional: false } },
        { prefix: '', configMapRef: { name, optional: false } },
      ],
    })
  const cases = [
    [makeContainer(), false],
    [key('other'), false],
    [key('kube-root-ca.crt'), true],
    [all('other'), false],
    [all('kube-root-ca.crt'), true],
  ] as const
  for (const [container, has] of cases) {
    const others = [makeContainer(), container]
    for (const spec of [{ containers: others }, { initContainers: others }])
      t.equal(hasRootCertificateInEnv(makePod({ spec })), has)
  }
})
