import t from 'tap'
import { parseIP } from '../../src/api/validation/ip.ts'
import { nameLike, validEnvFileKey } from '../../src/api/validation/names.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'

/*
 * Rules of the API server of which no object of validation-golden.txt has all sides; the words
 * are those of pkg/apis/core/validation/validation.go and its neighbours.
 */

const linesOf = (object: object) =>
  readManifest(JSON.stringify(object), 'f.json', { namespace: 'default' })
    .findings.filter(
      ({ treatment }) => treatment === 'rejected' || treatment === 'warning',
    )
    .map(
      ({ treatment, fieldPath, message, fix }) =>
        `${treatment === 'warning' ? 'warning: ' : ''}${fieldPath}: ${message}${fix === undefined ? '' : ` (${fix})`}`,
    )

interface PodParts {
  readonly annotations?: object
  readonly container?: object
  readonly spec?: object
}

const pod = ({ annotations, container, spec }: PodParts) =>
  linesOf({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', annotations },
    spec: { containers: [{ name: 'c', image: 'i', ...container }], ...spec },
  })

t.test('annotations that the API server reads on a Pod', async t => {
  const cost = (value: string) =>
    pod({
      annotations: { 'controller.kubernetes.io/pod-deletion-cost': value },
    })
  for (const good of ['0', '-1', '10', '-2147483648', '2147483647'])
    t.strictSame(cost(good), [], good)
  for (const bad of ['', '00', '-0', '+1', '1.5', '1e3', 'x', '-2147483649'])
    t.strictSame(cost(bad), [
      `metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "${bad}": must be a 32bit integer`,
    ])
  t.equal(cost('2147483648').length, 1)

  const mirror = { 'kubernetes.io/config.mirror': 'x' }
  t.strictSame(pod({ annotations: mirror }), [
    'metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set',
  ])
  t.strictSame(pod({ annotations: mirror, spec: { nodeName: 'n' } }), [])
})

t.test('seccomp and AppArmor, as annotation and as field', async t => {
  const seccomp = 'container.seccomp.security.alpha.kubernetes.io/c'
  const appArmor = 'container.apparmor.security.beta.kubernetes.io/c'
  const local = { type: 'Localhost', localhostProfile: 'a' }
  const type = (type: string) => ({ type })
  const none: readonly string[] = []
  const seccompRows: readonly (readonly [string, object, readonly string[]])[] =
    [
      ['runtime/default', type('RuntimeDefault'), none],
      ['docker/default', type('RuntimeDefault'), none],
      ['unconfined', type('Unconfined'), none],
      ['localhost/a', local, none],
      ['unconfined', type('RuntimeDefault'), ['type']],
      ['runtime/default', type('Unconfined'), ['type']],
      ['localhost/a', type('Unconfined'), ['type']],
      ['runtime/default', local, ['type']],
      ['localhost/b', local, ['localhostProfile']],
    ]
  const expected = (what: string, field: string, wrong: readonly string[]) =>
    wrong.map(
      part =>
        `spec.containers[0].securityContext.${field}.${part}: Forbidden: ${what} ${part === 'type' ? 'type' : 'profile'} in annotation and field must match`,
    )
  for (const [annotation, seccompProfile, wrong] of seccompRows)
    t.strictSame(
      pod({
        annotations: { [seccomp]: annotation },
        container: { securityContext: { seccompProfile } },
      }),
      expected('seccomp', 'seccompProfile', wrong),
      `${annotation} ${JSON.stringify(seccompProfile)}`,
    )
  const appArmorRows: typeof seccompRows = [
    ['runtime/default', type('RuntimeDefault'), none],
    ['unconfined', type('RuntimeDefault'), ['type']],
    ['localhost/a', local, none],
    ['localhost/b', local, ['localhostProfile']],
  ]
  for (const [annotation, appArmorProfile, wrong] of appArmorRows)
    t.strictSame(
      pod({
        annotations: { [appArmor]: annotation },
        container: { securityContext: { appArmorProfile } },
      }),
      expected('apparmor', 'appArmorProfile', wrong),
      `${annotation} ${JSON.stringify(appArmorProfile)}`,
    )
  t.strictSame(
    pod({
      annotations: { [appArmor]: 'unconfined' },
      spec: { securityContext: { appArmorProfile: type('RuntimeDefault') } },
    }),
    expected('apparmor', 'appArmorProfile', ['type']),
    "the Pod's counts where the container has none",
  )

  const profile = (key: string, value: string) =>
    pod({ annotations: { [key]: value } }).filter(
      line => !line.startsWith('warning: '),
    )
  for (const good of ['', 'unconfined', 'runtime/default', 'localhost/x'])
    t.strictSame(profile(appArmor, good), [], good)
  for (const bad of ['unconfinedx', 'runtime/defaultx', 'xlocalhost/'])
    t.strictSame(profile(appArmor, bad), [
      `metadata.annotations[${appArmor}]: Invalid value: "${bad}": invalid AppArmor profile name: "${bad}"`,
    ])
  for (const good of ['unconfined', 'docker/default', 'localhost/x'])
    t.strictSame(profile(seccomp, good), [], good)
  for (const bad of ['xunconfined', 'unconfinedx', 'runtime/defaultx'])
    t.strictSame(profile(seccomp, bad), [
      `metadata.annotations.${seccomp}: Invalid value: "${bad}": must be a valid seccomp profile`,
    ])
})

const data = (kind: 'Secret' | 'ConfigMap', fields: object) =>
  linesOf({ apiVersion: 'v1', kind, metadata: { name: 'x' }, ...fields })
const metadata = (metadata: object) =>
  linesOf({ apiVersion: 'v1', kind: 'ConfigMap', metadata })

t.test('how much an object may hold', async t => {
  const mib = 1024 * 1024
  const tooLong = 'Too long: may not be more than 1048576 bytes'
  const half = 'ä'.repeat(mib / 4)
  const base64 = Buffer.alloc(mib / 2).toString('base64')
  t.strictSame(data('ConfigMap', { data: { a: half, b: half } }), [])
  const both = { data: { a: half }, binaryData: { b: base64 } }
  t.strictSame(data('ConfigMap', both), [])
  t.strictSame(data('ConfigMap', { ...both, data: { a: `${half}x` } }), [
    `undefined: ${tooLong}`,
  ])
  t.strictSame(data('Secret', { stringData: { a: half, b: half } }), [])
  t.strictSame(data('Secret', { stringData: { a: half, b: `${half}x` } }), [
    `data: ${tooLong}`,
  ])
  const annotations = (length: number) =>
    metadata({ name: 'x', annotations: { ab: 'x', cd: 'x'.repeat(length) } })
  t.strictSame(annotations(256 * 1024 - 5), [])
  t.strictSame(annotations(256 * 1024 - 4), [
    'metadata.annotations: Too long: may not be more than 262144 bytes',
  ])
})

t.test('a password that ends with a newline', async t => {
  const told = (stringData: object) => data('Secret', { stringData })
  const warning = (key: string) =>
    `warning: data[${key}]: ends with a newline, which is part of the value (encode it without one: echo -n VALUE | base64)`
  for (const key of ['password', 'DB_TOKEN', 'username', 'my-user', 'passwd'])
    t.strictSame(told({ [key]: 'x\n' }), [warning(key)])
  t.strictSame(
    told({
      key: 'x\n',
      users: 'x\n',
      'password.txt': 'x\n',
      password: 'x',
      user: '\n',
      token: 'x\ny\n',
    }),
    [],
  )
})

t.test('the keys that a type of Secret needs', async t => {
  const lines = (type: string, stringData: object = {}) =>
    data('Secret', { type: `kubernetes.io/${type}`, stringData })
  const missing = (key: string, has?: string) =>
    `data[${key}]: Required value${has === undefined ? '' : ` (the keys that it has: ${has})`}`
  t.strictSame(lines('tls', { a: 'x', 'tls.crt': '' }), [
    missing('tls.key', 'a, tls.crt'),
  ])
  t.strictSame(lines('tls'), [missing('tls.crt'), missing('tls.key')])
  t.strictSame(lines('basic-auth', { user: 'x' }), [
    missing('username', 'user'),
    missing('password', 'user'),
  ])
  t.strictSame(lines('basic-auth', { password: '' }), [])
  t.strictSame(lines('ssh-auth', { 'ssh-privatekey': '' }), [
    missing('ssh-privatekey', 'ssh-privatekey'),
  ])
  const json = (text: string) =>
    lines('dockerconfigjson', { '.dockerconfigjson': text })
  const wrong = (words: string) => [
    `data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": ${words}`,
  ]
  t.strictSame(json('{}'), [])
  t.strictSame(json('null'), [])
  for (const [text, type] of [
    ['[]', 'array'],
    ['"x"', 'string'],
    ['1', 'number'],
    ['true', 'bool'],
  ] as const)
    t.strictSame(
      json(text),
      wrong(
        `json: cannot unmarshal ${type} into Go value of type map[string]interface {}`,
      ),
    )
  const text = '{"auths": {"a": '
  for (const cut of ['', '{', text, `${text}"`])
    t.strictSame(json(cut), wrong('unexpected end of JSON input'), cut)
  for (const other of ['x', '{"a": x}', `${text}}}, `])
    t.strictSame(json(other), wrong('invalid character: this is not JSON'))
})

t.test('names that are made up, and owners', async t => {
  const wrong = (fields: object) => metadata({ name: 'x', ...fields })
  for (const generateName of ['a-', 'a', `a${'-'.repeat(3)}`])
    t.strictSame(metadata({ generateName }), [], generateName)
  t.match(metadata({ generateName: 'AA-' }), [
    /^metadata.generateName: Invalid value: "AA-": a lowercase RFC 1123/,
  ])
  t.match(metadata({ generateName: '-a' }), [
    /^metadata.generateName: Invalid value: "-a": a lowercase RFC 1123/,
  ])
  t.match(wrong({ generateName: '-a' }).length, 1)
  t.strictSame(metadata({}), [
    'metadata.name: Required value: name or generateName is required (metadata: {name: NAME})',
  ])
  t.match(metadata({ name: 'My Map' }), [
    /^metadata.name: Invalid value: "My Map": .* \(write my-map, for example\)$/,
  ])
  t.match(wrong({ namespace: 'A' }), [
    /^metadata.namespace: Invalid value: "A"/,
  ])

  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'a', uid: 'u' }
  const owners = (...ownerReferences: readonly object[]) =>
    wrong({ ownerReferences })
  t.strictSame(owners(owner, { ...owner, controller: true }), [])
  t.strictSame(owners({ ...owner, apiVersion: 'x/v1', kind: 'Event' }), [])
  t.match(owners({ ...owner, kind: 'Event' }), [
    /is disallowed from being an owner$/,
  ])
  t.match(
    owners(
      { ...owner, controller: true },
      { ...owner, name: 'b' },
      { ...owner, name: 'c', controller: true },
    ),
    [/Found "true" in references for Pod\/a and Pod\/c$/],
  )
  t.strictSame(wrong({ finalizers: ['orphan', 'kubernetes'] }), [])
  t.strictSame(wrong({ finalizers: ['foregroundDeletion'] }), [])
})

t.test('addresses, as Go reads and prints them', async t => {
  const rows = [
    ['10.0.0.1', '10.0.0.1'],
    ['010.000.0.01', '10.0.0.1'],
    ['10.0.0', undefined],
    ['10.0.0.256', undefined],
    ['x10.0.0.1', undefined],
    ['10.0.0.1x', undefined],
    ['10.100.200.250', '10.100.200.250'],
    ['::1', '::1'],
    ['FE80:0::1', 'fe80::1'],
    ['fe80::1%eth0', undefined],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::ffff:a01:203', '10.1.2.3'],
    ['1::ffff:a01:203', '1::ffff:a01:203'],
    ['::fffe:a01:203', '::fffe:a01:203'],
    ['', undefined],
  ] as const
  for (const [text, printed] of rows) t.equal(parseIP(text), printed, text)
})

t.test('what to write in the place of a name or a mode', async t => {
  const rows = [
    ['My Map', 'my-map'],
    ['a__b', 'a-b'],
    ['--a.b--', 'a.b'],
    ['.-A-.', 'a'],
    ['a', undefined],
    ['---', undefined],
    [`A${'b'.repeat(62)}`, `a${'b'.repeat(62)}`],
    [`A${'b'.repeat(63)}`, undefined],
  ] as const
  for (const [name, meant] of rows)
    t.equal(
      nameLike(name),
      meant === undefined ? undefined : `write ${meant}, for example`,
    )

  const mode = (defaultMode: number) =>
    pod({
      spec: { volumes: [{ name: 'v', configMap: { name: 'x', defaultMode } }] },
    })
  const refused = (mode: number, advice?: string) => [
    `spec.volumes[0].configMap.defaultMode: Invalid value: ${mode}: must be a number between 0 and 0777 (octal), both inclusive${advice === undefined ? '' : ` (${advice})`}`,
  ]
  const decimal = (mode: number) =>
    `write 0${mode}: without the zero it is a decimal number`
  const bits = (octal: string) =>
    `${octal} has a setuid, setgid or sticky bit, and files of a volume have none`
  for (const good of [0, 0o644, 0o777]) t.strictSame(mode(good), [])
  t.strictSame(mode(644), refused(644, decimal(644)))
  t.strictSame(mode(755), refused(755, decimal(755)))
  t.strictSame(mode(777), refused(777, decimal(777)))
  t.strictSame(mode(1755), refused(1755))
  t.strictSame(mode(512), refused(512, bits('01000')))
  t.strictSame(mode(689), refused(689, bits('01261')))
  t.strictSame(mode(647), refused(647, bits('01207')))
  t.strictSame(mode(0o7777), refused(0o7777, bits('07777')))
  t.strictSame(mode(0o10000), refused(0o10000))
  t.strictSame(mode(-1), refused(-1))

  t.strictSame(validEnvFileKey('A_b.c-1'), [])
  t.strictSame(validEnvFileKey('1a'), [
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')",
  ])
  t.strictSame(validEnvFileKey('..a'), ["must not start with '..'"])
})

t.test('the requests of a Pod and those of its containers', async t => {
  const cpu = (amount: string) => ({ resources: { requests: { cpu: amount } } })
  const lines = (main: string, init: string) =>
    pod({
      container: cpu(main),
      spec: {
        ...cpu('1'),
        initContainers: [
          { name: 'a', image: 'i', restartPolicy: 'Always', ...cpu('200m') },
          { name: 'b', image: 'i', ...cpu(init) },
          { name: 'd', image: 'i', restartPolicy: 'Always', ...cpu('100m') },
        ],
      },
    })
  const tooLittle = (sum: string) => [
    `spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of ${sum}`,
  ]
  t.strictSame(lines('700m', '500m'), [], 'sidecars count with the containers')
  t.strictSame(lines('701m', '500m'), tooLittle('1001m'))
  t.strictSame(lines('100m', '800m'), [])
  t.strictSame(lines('100m', '900m'), tooLittle('1100m'), 'the hungriest')
})

t.test('selectors and time-tables of workloads', async t => {
  const template = {
    metadata: { labels: { app: 'a' } },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  }
  const deployment = (selector: object, kind = 'Deployment') =>
    linesOf({
      apiVersion: 'apps/v1',
      kind,
      metadata: { name: 'x' },
      spec: { selector, template },
    })
  const expressions = (...matchExpressions: readonly object[]) => ({
    matchExpressions,
  })
  const at = 'spec.selector.matchExpressions[0]'
  t.strictSame(deployment(expressions({ key: 'app', operator: 'Exists' })), [])
  t.strictSame(
    deployment(expressions({ key: 'app', operator: 'Exists', values: ['a'] })),
    [
      `${at}.values: Forbidden: may not be specified when \`operator\` is 'Exists' or 'DoesNotExist'`,
    ],
  )
  t.strictSame(
    deployment(
      expressions({ key: 'app', operator: 'NotIn', values: ['b'] }),
      'DaemonSet',
    ),
    [],
  )
  t.strictSame(deployment({}, 'ReplicaSet'), [
    'spec.selector: Invalid value: {}: empty selector is invalid for deployment',
  ])
  t.strictSame(deployment({}, 'StatefulSet'), [
    'spec.selector: Invalid value: {}: empty selector is invalid for statefulset',
  ])

  const cronJob = (schedule: string, name = 'x') =>
    linesOf({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name },
      spec: {
        schedule,
        jobTemplate: {
          spec: {
            template: { spec: { ...template.spec, restartPolicy: 'Never' } },
          },
        },
      },
    })
  for (const good of ['@daily', ' 0  0 * * * ', '*/5 1-2 * * MON'])
    t.strictSame(cronJob(good, 'x'.repeat(52)), [], good)
  t.strictSame(cronJob('TZ=UTC 0 0 * * *'), [
    'spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
  ])
})

t.test('gates, and what Windows limits', async t => {
  t.strictSame(
    pod({ spec: { schedulingGates: [{ name: 'a/b' }], nodeName: 'n' } }),
    [
      'spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared',
    ],
  )
  const windows = (windowsOptions: object) =>
    pod({ spec: { securityContext: { windowsOptions } } })
  const at = 'spec.securityContext.windowsOptions'
  const kib64 = 'x'.repeat(64 * 1024)
  t.strictSame(windows({ gmsaCredentialSpec: kib64 }), [])
  // The message has the value, and is shortened.
  t.match(windows({ gmsaCredentialSpec: `${kib64}x` }), [
    /gmsaCredentialSpec size must be under 64 KiB$/,
  ])
  t.strictSame(windows({ runAsUserName: `${'a'.repeat(256)}\\u` }), [
    `${at}.runAsUserName: Invalid value: "${'a'.repeat(256)}\\\\u": runAsUserName's Domain length must be under 256 characters`,
    `${at}.runAsUserName: Invalid value: "${'a'.repeat(256)}\\\\u": runAsUserName's Domain doesn't match the NetBios nor the DNS format`,
  ])
})

t.test('selectors of the kinds that make their own, and counts', async t => {
  const spec = { containers: [{ name: 'c', image: 'i' }] }
  const workload = (
    kind: string,
    apiVersion: string,
    fields: object,
    labels: object | undefined = { app: 'a' },
    restartPolicy = 'Always',
  ) =>
    linesOf({
      apiVersion,
      kind,
      metadata: { name: 'x' },
      spec: {
        ...fields,
        template: { metadata: { labels }, spec: { ...spec, restartPolicy } },
      },
    })
  const controller = (fields: object, labels?: object) =>
    workload('ReplicationController', 'v1', fields, labels)
  t.strictSame(controller({}), [])
  t.strictSame(controller({ selector: {} }), [])
  t.strictSame(controller({ selector: {} }, {}), [
    'spec.selector: Required value',
  ])
  const noMatch = (labels: string, path = 'spec.template') =>
    `${path}.metadata.labels: Invalid value: ${labels}: \`selector\` does not match template \`labels\``
  t.strictSame(controller({ selector: { app: 'b' } }), [noMatch('{"app":"a"}')])
  t.strictSame(controller({ selector: { app: 'b' } }, {}), [noMatch('null')])
  t.strictSame(controller({ selector: { b: 'b' } }, { b: 'c', a: 'd' }), [
    noMatch('{"a":"d","b":"c"}'),
  ])
  t.strictSame(controller({ replicas: -1, minReadySeconds: 0 }), [
    'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
  ])

  const job = (fields: object) =>
    workload('Job', 'batch/v1', fields, { app: 'a' }, 'Never')
  t.strictSame(job({ selector: {} }), [], 'it is made')
  t.strictSame(job({ backoffLimit: 0, completions: -2 }), [
    'spec.completions: Invalid value: -2: must be greater than or equal to 0',
  ])
  const own = { manualSelector: true, selector: { matchLabels: { app: 'a' } } }
  t.strictSame(job(own), [])
  t.strictSame(job({ selector: { matchLabels: { 'job-name': 'x' } } }), [])

  const cronJob = (fields: object, more: object = {}) =>
    linesOf({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'x' },
      spec: {
        schedule: '@daily',
        ...more,
        jobTemplate: {
          spec: {
            ...fields,
            template: {
              metadata: { labels: { app: 'a' } },
              spec: { ...spec, restartPolicy: 'Never' },
            },
          },
        },
      },
    })
  t.strictSame(cronJob({ selector: {} }), [])
  t.strictSame(cronJob({ backoffLimit: -1 }, { failedJobsHistoryLimit: -3 }), [
    'spec.failedJobsHistoryLimit: Invalid value: -3: must be greater than or equal to 0',
    'spec.jobTemplate.spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0',
  ])
  t.strictSame(cronJob({ selector: { matchLabels: { app: 'b' } } }), [
    noMatch('{"app":"a"}', 'spec.jobTemplate.spec.template'),
  ])
  t.strictSame(
    cronJob({ selector: { matchExpressions: [{ key: 'a', operator: 'X' }] } }),
    [
      'spec.jobTemplate.spec.selector.matchExpressions[0].operator: Invalid value: "X": not a valid selector operator',
    ],
  )
})

t.test('volumes, and mounts of what is not there', async t => {
  const volume = (source: object) =>
    pod({ spec: { volumes: [{ name: 'v', ...source }] } })
  const at = 'spec.volumes[0]'
  t.strictSame(volume({ persistentVolumeClaim: {} }), [
    `${at}.persistentVolumeClaim.claimName: Required value`,
  ])
  t.strictSame(volume({ secret: { secretName: 'x' }, emptyDir: {} }), [
    `${at}.secret: Forbidden: may not specify more than 1 volume type (several sources in one directory are a projected volume)`,
  ])
  const medium = (medium: string) =>
    readManifest(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'p' },
        spec: {
          volumes: [{ name: 'v', emptyDir: { medium } }],
          containers: [{ name: 'c', image: 'i' }],
        },
      }),
      'f.json',
      { namespace: 'default' },
    )
      .findings.filter(({ fieldPath }) => fieldPath?.startsWith('spec.volumes'))
      .map(
        ({ treatment, fieldPath, message }) =>
          `${treatment} ${fieldPath}: ${message}`,
      )
  const huge =
    'podfs gives no huge pages: the Pod will not start; use medium: Memory'
  const unknown = (medium: string) =>
    `unknown storage medium "${medium}": the Pod will not start`
  for (const [word, message] of [
    ['', undefined],
    ['Memory', undefined],
    ['HugePages', huge],
    ['HugePages-2Mi', huge],
    ['HugePagesX', unknown('HugePagesX')],
    ['xHugePages', unknown('xHugePages')],
  ] as const)
    t.strictSame(
      medium(word),
      message === undefined
        ? []
        : [`ignored ${at}.emptyDir.medium: ${message}`],
    )
  const mount = (name: string) =>
    pod({
      container: { volumeMounts: [{ name, mountPath: '/x' }] },
      spec: { volumes: [{ name: 'config', emptyDir: {} }] },
    })
  t.strictSame(mount('confg'), [
    'spec.containers[0].volumeMounts[0].name: Not found: "confg" (did you mean config?)',
  ])
  t.strictSame(mount('zzzzzz'), [
    'spec.containers[0].volumeMounts[0].name: Not found: "zzzzzz"',
  ])
})
