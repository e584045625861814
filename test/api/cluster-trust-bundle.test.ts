import t from 'tap'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'
import { encodeObject } from '../../src/api/encode/encode-object.ts'
import { certificate } from '../helpers/certificates.ts'

const a = certificate('a')
const signerName = 'example.com/mesh'

function read(object: object) {
  const { objects, findings } = readManifest(JSON.stringify(object), 'f.json', {
    namespace: 'default',
  })
  return {
    objects,
    refused: findings
      .filter(({ treatment }) => treatment === 'rejected')
      .map(({ fieldPath, message }) => `${fieldPath}: ${message}`),
    findings,
  }
}

const bundle = (metadata: object, spec: object, version = 'v1beta1') =>
  read({
    apiVersion: `certificates.k8s.io/${version}`,
    kind: 'ClusterTrustBundle',
    metadata,
    spec,
  })

t.test('is read in both versions, and given out in the newer one', async t => {
  for (const version of ['v1beta1', 'v1alpha1']) {
    const spec = { trustBundle: a }
    const { objects, findings } = bundle({ name: 'x' }, spec, version)
    t.same(findings, [])
    t.match(objects, [{ kind: 'ClusterTrustBundle', spec }])
    const [object] = objects
    if (object === undefined) throw new Error('not read')
    t.match(encodeObject(object), {
      apiVersion: 'certificates.k8s.io/v1beta1',
      metadata: { name: 'x' },
      spec,
    })
  }
  t.match(bundle({ name: 'x' }, { trustBundle: a }, 'v9').findings, [
    {
      fieldPath: 'apiVersion',
      message:
        'no matches for kind "ClusterTrustBundle" in version "certificates.k8s.io/v9"',
      fix: 'apiVersion: certificates.k8s.io/v1beta1',
    },
  ])
})

t.test('is in no namespace, whatever it says', async t => {
  const { objects } = bundle(
    { name: 'x', namespace: 'Nowhere' },
    { trustBundle: a },
  )
  t.equal(objects[0]?.metadata.namespace, '')
  const { findings } = bundle({ name: 'X' }, { trustBundle: a })
  t.same(findings[0]?.object, { kind: 'ClusterTrustBundle', name: 'X' })
})

t.test('its mistakes, in the words of the API server', async t => {
  const omitted = 'spec.trustBundle: Invalid value: "<value omitted>"'
  const b = certificate('b')
  const rows: readonly {
    readonly name: string
    readonly metadata?: object
    readonly spec?: object
    readonly refused: readonly (string | RegExp)[]
  }[] = [
    {
      name: 'a signer',
      metadata: { name: 'example.com:mesh:x' },
      spec: { signerName },
      refused: [],
    },
    {
      name: 'a name that is not its signer’s',
      spec: { signerName },
      refused: [
        'metadata.name: Invalid value: "x": ClusterTrustBundle for signerName example.com/mesh must be named with prefix example.com:mesh:',
      ],
    },
    {
      name: 'a colon without a signer',
      metadata: { name: 'a:b' },
      refused: [
        'metadata.name: Invalid value: "a:b": ClusterTrustBundle without signer name must not have ":" in its name',
      ],
    },
    {
      name: 'a signer without a path',
      metadata: { name: 'mesh:x' },
      spec: { signerName: 'mesh' },
      refused: [
        `spec.signerName: Invalid value: "mesh": must be a fully qualified domain and path of the form 'example.com/signer-name'`,
      ],
    },
    {
      name: 'a signer without a domain',
      metadata: { name: 'mesh:x:y' },
      spec: { signerName: 'mesh/x' },
      refused: [
        'spec.signerName: Invalid value: "mesh": should be a domain with at least two segments separated by dots',
      ],
    },
    {
      name: 'labels of a signer',
      metadata: { name: 'a_b.c:D:y' },
      spec: { signerName: 'a_b.c/D' },
      refused: [
        /^spec.signerName: Invalid value: "a_b.c": validating label "a_b": a lowercase RFC 1123 label/,
        /^spec.signerName: Invalid value: "D": validating label "D": a lowercase RFC 1123 subdomain/,
      ],
    },
    {
      name: 'none',
      spec: { trustBundle: '' },
      refused: [`${omitted}: at least one trust anchor must be provided`],
    },
    {
      name: 'no block',
      spec: { trustBundle: 'x' },
      refused: [`${omitted}: at least one trust anchor must be provided`],
    },
    {
      name: 'another block',
      spec: { trustBundle: a + b.replaceAll('CERTIFICATE', 'PUBLIC KEY') },
      refused: [`${omitted}: entry 1 has bad block type: PUBLIC KEY`],
    },
    {
      name: 'headers',
      spec: { trustBundle: a.replace('\n', '\na: b\n\n') },
      refused: [`${omitted}: entry 0 has PEM block headers`],
    },
    {
      name: 'no certificate',
      spec: {
        trustBundle:
          '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
      },
      refused: [`${omitted}: entry 0 does not parse as X.509`],
    },
    {
      name: 'no authority',
      spec: { trustBundle: a + certificate('no-authority') },
      refused: [`${omitted}: entry 1 does not have the CA bit set`],
    },
    {
      name: 'twice',
      spec: { trustBundle: a + b + a },
      refused: [`${omitted}: duplicate trust anchor (indices [0 2])`],
    },
    {
      name: 'too long',
      spec: { trustBundle: `${a}${' '.repeat(1024 * 1024)}` },
      refused: [
        'spec.trustBundle: Too long: may not be more than 1048576 bytes',
      ],
    },
  ]
  for (const { name, metadata = { name: 'x' }, spec, refused } of rows) {
    const found = bundle(metadata, { trustBundle: a, ...spec }).refused
    t.equal(found.length, refused.length, name)
    t.match(found, refused, name)
  }
})

t.test(
  'a source of a projected volume, in the words of the API server',
  async t => {
    const at = 'spec.volumes[0].projected.sources[0].clusterTrustBundlePEM'
    const rows: readonly (readonly [object, readonly (string | RegExp)[]])[] = [
      [{ name: 'x', path: 'p' }, []],
      [{ name: 'example.com:mesh:x', path: 'p', optional: true }, []],
      [{ signerName, path: 'p' }, []],
      [
        { signerName, labelSelector: { matchLabels: { a: 'b' } }, path: 'p' },
        [],
      ],
      [
        { path: 'p' },
        [`${at}: Required value: either name or signerName must be specified`],
      ],
      [
        {
          name: 'x',
          signerName,
          labelSelector: { matchLabels: { b: '1', a: '2' } },
          path: 'p',
        },
        [
          `${at}: Invalid value: {"Name":"x","SignerName":"example.com/mesh","LabelSelector":{"matchLabels":{"a":"2","b":"1"}},"Optional":null,"Path":"p"}: only one of name and signerName may be used`,
        ],
      ],
      [
        { name: 'x', labelSelector: {}, path: 'p' },
        [
          `${at}.labelSelector: Invalid value: {}: labelSelector must be unset if name is specified`,
        ],
      ],
      [
        { name: '', path: 'p' },
        [
          /clusterTrustBundlePEM.name: Invalid value: "": not a valid clustertrustbundlename: a lowercase RFC 1123 subdomain/,
          `${at}.name: Required value: must be a valid object name`,
        ],
      ],
      [
        { name: 'example.com:mesh:X', path: 'p' },
        [
          /clusterTrustBundlePEM.name: Invalid value: "example.com:mesh:X": not a valid clustertrustbundlename: a lowercase RFC 1123 subdomain/,
        ],
      ],
      [
        { signerName: '', path: 'p' },
        [
          `${at}.signerName: Required value`,
          `${at}.signerName: Required value: must be a valid signer name`,
        ],
      ],
      [
        {
          signerName,
          labelSelector: { matchExpressions: [{ key: 'a', operator: 'No' }] },
          path: 'p',
        },
        [
          `${at}.labelSelector.matchExpressions[0].operator: Invalid value: "No": not a valid selector operator`,
        ],
      ],
      [{ name: 'x' }, [`${at}.path: Required value`]],
      [
        { name: 'x', path: '../p' },
        [`${at}.path: Invalid value: "../p": must not contain '..'`],
      ],
      [
        { name: 'x', path: '/p' },
        [`${at}.path: Invalid value: "/p": must be a relative path`],
      ],
    ]
    const refusedOf = (...sources: readonly object[]) =>
      read({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'p' },
        spec: {
          containers: [{ name: 'c', image: 'i' }],
          volumes: [{ name: 'v', projected: { sources } }],
        },
      }).refused
    for (const [clusterTrustBundle, refused] of rows) {
      const found = refusedOf({ clusterTrustBundle }).sort()
      t.equal(found.length, refused.length, JSON.stringify(found))
      t.match(found, refused, JSON.stringify(clusterTrustBundle))
    }
    const one = { clusterTrustBundle: { name: 'x', path: 'p' } }
    t.same(refusedOf(one, one), [
      'spec.volumes[0].projected: Invalid value: "p": conflicting duplicate paths',
    ])
    t.same(refusedOf({ ...one, secret: { name: 's' } }), [
      'spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source',
    ])
  },
)
