import * as fc from 'fast-check'
import t from 'tap'
import { formatFinding } from '../../src/api/report.ts'
import type { Pod } from '../../src/api/types.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'

const read = (text: string, path = 'f.yaml') =>
  readManifest(text, path, { namespace: 'default' })

/** Findings as a person sees them, the fix on a line of its own. */
const linesOf = (text: string, path?: string) =>
  read(text, path).findings.flatMap(finding => [
    `${finding.treatment}: ${formatFinding(finding)}`,
    ...(finding.fix === undefined ? [] : [`  fix: ${finding.fix}`]),
  ])

const pod = (spec: string) =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n${spec}`
const main = '  containers:\n  - name: c\n    image: nginx\n'
const image = (line: number) =>
  `emulated: f.yaml:${line}:5: Pod default/p: spec.containers[0].image: emulated: podfs pulls no image; it runs a program of this machine in its place`

const cases: Readonly<
  Record<string, { yaml: string; path?: string; findings: readonly string[] }>
> = {
  'a good ConfigMap': {
    yaml: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n',
    findings: [],
  },
  'a name that Kubernetes would make up': {
    yaml: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: web-}\n',
    findings: [
      'emulated: f.yaml:3:12: ConfigMap default/web-: metadata.generateName: emulated: without a name podfs makes up one, the same each time',
    ],
  },
  'an empty file': { yaml: '', findings: [] },
  'comments only': { yaml: '# nothing\n---\n# here\n', findings: [] },
  'an unknown field, with what was meant': {
    yaml: pod('  restartPolcy: Never\n' + main),
    findings: [
      'rejected: f.yaml:5:3: Pod default/p: spec.restartPolcy: unknown field "spec.restartPolcy"',
      '  fix: did you mean restartPolicy?',
      image(8),
    ],
  },
  'what is not done, in the order of the file': {
    yaml: pod(
      '  runtimeClassName: x\n' +
        main +
        '    livenessProbe: {exec: {command: [a]}}\n    stdin: true\n    resizePolicy: []\n  priority: 1\n',
    ),
    findings: [
      'ignored: f.yaml:5:3: Pod default/p: spec.runtimeClassName: ignored: containers are local processes',
      image(8),
      'ignored: f.yaml:11:5: Pod default/p: spec.containers[0].resizePolicy: ignored: other limits make another Pod',
      'ignored: f.yaml:12:3: Pod default/p: spec.priority: ignored: there is one node, this machine',
    ],
  },
  'every error of every document at once': {
    yaml: `${pod('  restartPolicy: Sometimes\n  volumes: {name: v}\n' + main)}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad}\ndata: {a/b: x, i: 1}\n`,
    findings: [
      'rejected: f.yaml:5:3: Pod default/p: spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
      'rejected: f.yaml:6:3: Pod default/p: spec.volumes: must be a list, not a mapping',
      '  fix: begin each item with a dash, as in - name: ...',
      image(9),
      "rejected: f.yaml:13:12: ConfigMap default/Bad: metadata.name: Invalid value: \"Bad\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      '  fix: write bad, for example',
      "rejected: f.yaml:14:8: ConfigMap default/Bad: data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
      'rejected: f.yaml:14:16: ConfigMap default/Bad: data[i]: must be a string, not a number',
      '  fix: put the value in quotes',
    ],
  },
  'a volume that needs a cluster': {
    yaml: pod(main + '  volumes:\n  - name: v\n    csi: {driver: x}\n'),
    findings: [
      image(7),
      'rejected: f.yaml:10:5: Pod default/p: spec.volumes[0].csi: podfs cannot attach csi volumes: use emptyDir for scratch space, or hostPath for a directory of this machine',
    ],
  },
  'a Secret that is not base64, without its value': {
    yaml: 'apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\ndata:\n  password: hunter2!\n',
    findings: [
      'rejected: f.yaml:5:3: Secret ns/s: data[password]: illegal base64 data at input byte 7',
      '  fix: plain text belongs under stringData',
    ],
  },
  'an item of a List': {
    yaml: 'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: c}\n  dat: {}\n',
    findings: [
      'rejected: f.yaml:7:3: ConfigMap default/c: dat: unknown field "dat"',
      '  fix: did you mean data?',
    ],
  },
  'a kind that podfs does not know': {
    yaml: 'apiVersion: v1\nkind: LimitRange\nmetadata: {name: s}\n',
    findings: [
      'ignored: f.yaml:1:1: LimitRange s: ignored: podfs does nothing with a LimitRange',
    ],
  },
  'a wrong apiVersion': {
    yaml: 'apiVersion: v2\nkind: Pod\nmetadata: {name: p}\n',
    findings: [
      'rejected: f.yaml:1:1: Pod default/p: apiVersion: no matches for kind "Pod" in version "v2"',
      '  fix: apiVersion: v1',
    ],
  },
  'a duplicate key': {
    yaml: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\nkind: Secret\n',
    findings: [
      'warning: f.yaml:4:1: duplicate field "kind": it is at f.yaml:2:1, too; the last one is used',
    ],
  },
  'a template': {
    yaml: 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-x\n',
    findings: [
      'rejected: f.yaml:4:9: found {{ where YAML was expected: this is a template',
      '  fix: podfs run --helm . (live), or helm template . | podfs run -f - (once)',
    ],
  },
  'a kustomization': {
    yaml: 'resources: [a.yaml]\n',
    path: 'base/kustomization.yaml',
    findings: [
      'rejected: base/kustomization.yaml:1:1: a kustomization is not a manifest: kubectl makes manifests of it',
      '  fix: podfs run -k base (live), or kubectl kustomize base | podfs run -f - (once)',
    ],
  },
  'not YAML': {
    yaml: 'a: b\n\tc: d\n',
    findings: [
      'rejected: f.yaml:2:1: not YAML: tabs are not allowed as indentation',
      '  fix: indent with spaces',
    ],
  },
  'an anchor that contains itself': {
    yaml: 'a: &x\n  b: *x\n',
    findings: ['rejected: f.yaml:2:6: an anchor must not contain itself'],
  },
  'a scalar': {
    yaml: 'hello\n',
    findings: [
      'rejected: f.yaml:1:1: a Kubernetes object was expected, not a string',
    ],
  },
  'a missing required field: its parent is the place': {
    yaml: pod(main + '    volumeMounts:\n    - name: v\n'),
    findings: [
      image(7),
      'rejected: f.yaml:9:7: Pod default/p: spec.containers[0].volumeMounts[0].mountPath: Required value',
      'rejected: f.yaml:9:7: Pod default/p: spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ],
  },
}

for (const [name, { yaml, path, findings }] of Object.entries(cases)) {
  t.same(linesOf(yaml, path), findings, name)
}

t.test('C293: defaults, and a negative grace period', async t => {
  const { objects, findings } = read(
    pod(
      '  terminationGracePeriodSeconds: -1\n  serviceAccount: sa\n' +
        main +
        '    resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}\n' +
        '  volumes:\n  - name: none\n  - name: s\n    secret: {secretName: x}\n' +
        '  - name: p\n    projected:\n      sources:\n      - serviceAccountToken: {path: t}\n' +
        '  - name: c\n    configMap: {name: x, defaultMode: 0400, items: []}\n',
    ),
  )
  t.same(
    findings
      .filter(({ treatment }) => treatment !== 'emulated')
      .map(({ treatment, fieldPath }) => [treatment, fieldPath]),
    [],
  )
  const { spec } = objects[0] as Pod
  t.match(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 1,
    serviceAccountName: 'sa',
    hostNetwork: false,
    setHostnameAsFQDN: false,
    hostAliases: [],
    initContainers: [],
    securityContext: {},
  })
  t.same(spec.volumes, [
    { name: 'none', emptyDir: { medium: '' } },
    {
      name: 's',
      secret: { secretName: 'x', defaultMode: 420, optional: false },
    },
    {
      name: 'p',
      projected: {
        defaultMode: 420,
        sources: [
          { serviceAccountToken: { path: 't', expirationSeconds: 3600 } },
        ],
      },
    },
    { name: 'c', configMap: { name: 'x', defaultMode: 256, optional: false } },
  ])
  t.same(
    [...(spec.containers[0]?.resources.requests ?? [])],
    [
      ['cpu', '500m'],
      ['memory', '1Gi'],
    ],
  )
})

t.test('stringData is merged over data', async t => {
  const { objects } = read(
    'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: YQ==, b: Yg==}\nstringData: {b: B, __proto__: p}\n',
  )
  const [secret] = objects
  t.equal(secret?.kind === 'Secret' && secret.type, 'Opaque')
  const data = secret?.kind === 'Secret' ? secret.data : new Map()
  t.same(
    [...data].map(([key, value]) => [key, Buffer.from(value).toString()]),
    [
      ['a', 'a'],
      ['b', 'B'],
      ['__proto__', 'p'],
    ],
  )
})

t.test('merge keys and aliases, as kubectl reads them', async t => {
  const { objects, findings } = read(
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: &l {a: one, b: two}}\ndata:\n  <<: *l\n  b: three\n  1: x\n  yes: t\n',
  )
  t.same(findings, [])
  const [configMap] = objects
  t.same(configMap?.kind === 'ConfigMap' && [...configMap.data], [
    ['a', 'one'],
    ['b', 'three'],
    ['1', 'x'],
    ['true', 't'],
  ])
})

t.test('positions of fields, present and absent', async t => {
  const { objects } = read(pod(main + '  hostAliases:\n  - ip: 1.2.3.4\n'))
  const at = (path: string) => {
    const place = objects[0]?.source.positionOf(path)
    return `${place?.line}:${place?.column}`
  }
  t.equal(at('spec.containers[0].name'), '6:5')
  t.equal(at('spec.containers[0].image'), '7:5')
  t.equal(at('spec.hostAliases[0].ip'), '9:5')
  t.equal(at('metadata.name'), '3:12')
  t.equal(at('nothing.like[3].this'), '1:1')
})

t.test('UTF-16, as PowerShell writes it', async t => {
  const text =
    '\uFEFFapiVersion: v1\r\nkind: ConfigMap\r\nmetadata: {name: ü}\r\n'
  const little = Buffer.from(text, 'utf16le')
  const big = Buffer.from(little).swap16()
  for (const bytes of [little, big]) {
    const { findings } = readManifest(bytes, 'f.yaml', { namespace: 'default' })
    t.match(findings, [
      { position: { line: 3, column: 12 }, message: /^Invalid value: "ü"/ },
    ])
  }
})

t.test('a BOM at the start of a later document', async t => {
  const one = (name: string) =>
    `\uFEFFapiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`
  const { objects, findings } = read(`${one('a')}---\n${one('b')}`)
  t.same(findings, [])
  t.same(
    objects.map(({ metadata }) => metadata.name),
    ['a', 'b'],
  )
})

t.test('in a volume that cannot be attached, fields are looked at', async t => {
  const told = linesOf(
    pod(
      main +
        '  volumes:\n  - name: r\n    rbd: {image: i, monitors: [m], imageformat: "2"}\n' +
        '  - name: f\n    fc: {lun: "0", targetWWNs: [w]}\n' +
        '  - name: e\n    ephemeral: {volumeClaimTemplate: {spec: {resources: {requests: {storage: many}}}}}\n' +
        '  - name: p\n    projected: {sources: [{clusterTrustBundle: {nam: x}}]}\n',
    ),
  )
  for (const line of [
    'rejected: f.yaml:10:36: Pod default/p: spec.volumes[0].rbd.imageformat: unknown field "spec.volumes[0].rbd.imageformat"',
    'rejected: f.yaml:12:10: Pod default/p: spec.volumes[1].fc.lun: must be a whole number, not a string',
    "rejected: f.yaml:14:69: Pod default/p: spec.volumes[2].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    'rejected: f.yaml:16:49: Pod default/p: spec.volumes[3].projected.sources[0].clusterTrustBundle.nam: unknown field "spec.volumes[3].projected.sources[0].clusterTrustBundle.nam"',
  ])
    t.ok(told.includes(line), line)
  t.equal(told.filter(line => line.includes('cannot attach')).length, 3)
})

t.test('a ReplicationController without labels', async t => {
  const rc = (selector: string, labels: string) =>
    linesOf(
      `apiVersion: v1\nkind: ReplicationController\nmetadata: {name: r}\nspec:\n  replicas: 1\n${selector}  template:\n    metadata: {${labels}}\n    spec: {containers: [{name: c, image: nginx}]}\n`,
    ).filter(line => line.startsWith('rejected'))
  const expected = [
    'rejected: f.yaml:4:1: ReplicationController default/r: spec.selector: Required value',
  ]
  t.same(rc('', ''), expected)
  t.same(
    rc('  selector: {}\n', '').map(line => line.replace(':6:3:', ':4:1:')),
    expected,
  )
  t.same(rc('', 'labels: {a: b}'), [])
  t.same(rc('  selector: {}\n', 'labels: {a: b}'), [])
})

t.test('a hostile object has so many findings and no more', async t => {
  const unknown = Array.from({ length: 20_000 }, (_, i) => `  u${i}: v\n`)
  const one = linesOf(pod(main + unknown.join('')))
  t.equal(one.length, 1000)
  t.match(one[0], /f\.yaml:1:1: Pod default\/p: more than 1000 things/)
  const many = linesOf('{}\n---\n'.repeat(5000))
  t.equal(many.length, 1001)
  t.match(many.at(-1), /f\.yaml:2001:1: more than 1000 mistakes in one file/)
  const large = `data:\n${'  - x\n'.repeat(100_001)}`
  t.match(linesOf(large), [
    'rejected: f.yaml:1:1: more than 100000 values in one object',
  ])
  const long = linesOf(pod(`${main}  ? ${'x'.repeat(1_000_000)}\n  : y\n`))
  t.ok(long.join('').length < 50_000, 'a long key is not printed as a whole')
})

t.test('a thousand laughs are refused', async t => {
  const lines = ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]']
  for (let i = 1; i < 9; i++) {
    lines.push(`a${i}: &a${i} [${`*a${i - 1},`.repeat(10)}]`)
  }
  t.match(linesOf(lines.join('\n'))[0], /excessive aliasing/)
})

/** Texts that look like manifests, with something odd in each place. */
const odd = fc.oneof(
  fc.constantFrom(
    'null',
    '~',
    '[]',
    '{}',
    '1',
    '-1',
    'yes',
    '"x"',
    '1e9',
    '*a',
  ),
  fc.constantFrom(
    '{a: 1}',
    '[{}]',
    '[null]',
    '{null: 1}',
    '&a x',
    '!!int x',
    '{{ x }}',
  ),
  fc.string({ maxLength: 8 }),
)
const fields = [
  'metadata',
  'metadata.labels',
  'spec',
  'spec.containers',
  'spec.volumes',
  'spec.containers[0].env',
  'data',
  'stringData',
  'binaryData',
  'type',
]
const manifest = fc
  .tuple(
    fc.constantFrom('Pod', 'Secret', 'ConfigMap', 'List', 'Deployment'),
    fc.array(fc.tuple(fc.constantFrom(...fields), odd), { maxLength: 4 }),
  )
  .map(([kind, entries]) =>
    [
      `apiVersion: v1\nkind: ${kind}`,
      ...entries.map(([field, value]) => {
        const names = field.replace('[0]', '').split('.')
        return names
          .map((name, i) => `${'  '.repeat(i)}${name}:`)
          .join('\n')
          .concat(` ${value}`)
      }),
    ].join('\n'),
  )

t.test('whatever the text: no exception, each finding has a place', async t => {
  fc.assert(
    fc.property(
      fc.oneof(manifest, fc.string(), fc.string({ unit: 'binary' })),
      text => {
        const { findings } = read(text)
        for (const { position, message } of findings) {
          const { path, line, column } = position
          if (path !== 'f.yaml' || line < 1 || column < 1) return false
          if (message.startsWith('podfs cannot read')) return false
        }
        return true
      },
    ),
    { numRuns: 3000 },
  )
  t.pass('3000 texts')
})

t.test('the value of a Secret is in no message', async t => {
  const value = 'hunter2hunter2'
  const places = [
    `data: {k: "${value}!"}`,
    `data: {k: ${value}`,
    `data: ["${value}"]`,
    `data: {k: ["${value}"]}`,
    `data: "${value}"`,
    `stringData: {k: {a: ${value}}}`,
    `stringData:\n  k: "${value}\n  l: x`,
    `stringData:\n  k: ${value}\n  k: ${value}`,
    `stringData:\n  k: "a" ${value}`,
    `stringData:\n\tk: ${value}`,
    `stringData:\n  k: *${value}`,
    `stringData: {k: @${value}}`,
    `stringData:\n  k: a\n   ${value}: b`,
    `stringData:\n  k: !!int ${value}\n  l: !!float .inf`,
    `stringData:\n  k: |\n   a\n  ${value}`,
  ]
  for (const place of places) {
    const text = `apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n${place}\n`
    const { findings } = read(text)
    t.ok(findings.length > 0, place)
    t.notMatch(JSON.stringify(findings), new RegExp(value), place)
  }
})
