import t from 'tap'
import { pemBlocks } from '../../src/api/pem.ts'
import type { ClusterTrustBundleProjection } from '../../src/api/types.ts'
import { certificate } from '../helpers/certificates.ts'
import { makePod, makeTrustBundle } from '../helpers/make-objects.ts'
import { project, projected, type World } from '../helpers/project.ts'

const [a, b, c] = [certificate('a'), certificate('b'), certificate('c')]
/** As they stand in a file: by their bytes. */
const inOrder = (...certificates: readonly string[]): string =>
  certificates
    .map(pem => ({
      pem,
      der: pemBlocks(Buffer.from(pem))[0]?.der ?? Buffer.of(),
    }))
    .sort((one, other) => Buffer.compare(one.der, other.der))
    .map(({ pem }) => pem)
    .join('')

const signerName = 'example.com/mesh'
const trustBundles = [
  makeTrustBundle({ name: 'plain', trustBundle: `# who\n${b}text\n${a}${b}` }),
  makeTrustBundle({
    name: 'example.com:mesh:one',
    signerName,
    labels: { tier: 'live' },
    trustBundle: a + b,
  }),
  makeTrustBundle({
    name: 'example.com:mesh:two',
    signerName,
    labels: { tier: 'test' },
    trustBundle: b + c,
  }),
  makeTrustBundle({
    name: 'example.com:other:one',
    signerName: 'example.com/other',
    labels: { tier: 'live' },
    trustBundle: c,
  }),
]

function read(
  source: Omit<ClusterTrustBundleProjection, 'path'>,
  world: World = {},
) {
  const clusterTrustBundle = { path: 'ca.pem', ...source }
  const result = project(projected([{ clusterTrustBundle }]), {
    trustBundles,
    ...world,
  })
  if (!result.ok) return result.errors
  const { data, ...file } = result.payload.get('ca.pem') ?? {}
  return { ...file, text: Buffer.from(data ?? []).toString() }
}

t.test('each certificate once, with nothing around it', async t => {
  t.match(read({ name: 'plain' }), {
    text: inOrder(a, b),
    mode: 0o644,
    origin: { kind: 'ClusterTrustBundle', name: 'plain' },
  })
})

t.test('those of a signer that the selector matches', async t => {
  const rows: readonly (readonly [
    NonNullable<ClusterTrustBundleProjection['labelSelector']>,
    string,
  ])[] = [
    [{}, inOrder(a, b, c)],
    [{ matchLabels: new Map([['tier', 'live']]) }, inOrder(a, b)],
    [
      {
        matchExpressions: [
          { key: 'tier', operator: 'NotIn', values: ['live'] },
        ],
      },
      inOrder(b, c),
    ],
    [
      { matchExpressions: [{ key: 'tier', operator: 'Exists' }] },
      inOrder(a, b, c),
    ],
  ]
  for (const [labelSelector, text] of rows)
    t.match(read({ signerName, labelSelector }), {
      text,
      origin: { kind: 'ClusterTrustBundle', name: signerName },
    })
})

t.test(
  'what is missing keeps the volume waiting, in the kubelet’s words',
  async t => {
    const at = 'spec.volumes[0].projected.sources[0].clusterTrustBundle'
    const code = 'PROJECTION_TRUST_BUNDLE_NOT_FOUND'
    t.same(read({ name: 'gone' }), [
      {
        code,
        fieldPath: `${at}.name`,
        message:
          'while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io "gone" not found',
      },
    ])
    const message =
      'combination of signerName and labelSelector matched zero ClusterTrustBundles'
    const none = [{ code, fieldPath: `${at}.signerName`, message }]
    t.same(read({ signerName: 'example.com/gone', labelSelector: {} }), none)
    t.same(
      read({
        signerName,
        labelSelector: { matchLabels: new Map([['x', 'y']]) },
      }),
      none,
    )
    t.same(read({ signerName }), none, 'no selector matches nothing')
  },
)

t.test('optional, and missing: an empty file', async t => {
  t.match(read({ name: 'gone', optional: true }), { text: '', mode: 0o644 })
  t.match(read({ signerName, optional: true }), { text: '' })
})

t.test('it is the Pod’s own where the Pod says whose it is', async t => {
  const owned = (securityContext: object) => ({
    pod: makePod({ spec: { securityContext } }),
  })
  t.match(read({ name: 'plain' }, owned({ runAsUser: 7 })), {
    mode: 0o600,
    fsUser: 7,
  })
  t.match(read({ name: 'plain' }, owned({ fsGroup: 7 })), { mode: 0o600 })
})
