import t from 'tap'

import type { Container, EnvVar, Pod } from '../../src/api/types.ts'
import {
  containerEnvironment,
  declaredEnvironment,
} from '../../src/runner/launch/environment.ts'
import {
  makeConfigMap,
  makeContainer,
  makeNode,
  makePod,
  makeSecret,
} from '../helpers/make-objects.ts'

const configMaps = [
  makeConfigMap({
    name: 'cm',
    data: { 'data-1': 'value-1', shared: 'from cm' },
    binaryData: { binary: Buffer.of(1) },
  }),
]
const secrets = [
  makeSecret({ name: 'sec', data: { 'data-1': 'secret-1' } }),
  {
    ...makeSecret({ name: 'raw' }),
    data: new Map([['key', Buffer.from('gIH/AQ==', 'base64')]]),
  },
]

function declare(
  options: Partial<Container>,
  pod: Pod = makePod(),
  podIPs: readonly string[] = ['127.1.2.3'],
) {
  return Object.fromEntries(
    declaredEnvironment(makeContainer(options), {
      pod,
      node: makeNode(),
      podIPs,
      configMap: name => configMaps.find(cm => cm.metadata.name === name),
      secret: name => secrets.find(secret => secret.metadata.name === name),
      fileKey: ({ key, optional }) =>
        optional ? undefined : { bytes: Buffer.from(key), origin: 'a file' },
    }),
  )
}

function fieldRef(fieldPath: string): EnvVar {
  return { name: 'X', valueFrom: { fieldRef: { fieldPath } } }
}

function keyRef(
  kind: 'configMapKeyRef' | 'secretKeyRef',
  name: string,
  key: string,
  optional = false,
): EnvVar {
  return { name: 'X', valueFrom: { [kind]: { name, key, optional } } }
}

t.test('C90 C96: keyRefs', async t => {
  t.same(declare({ env: [keyRef('configMapKeyRef', 'cm', 'data-1')] }), {
    X: 'value-1',
  })
  t.same(declare({ env: [keyRef('secretKeyRef', 'sec', 'data-1')] }), {
    X: 'secret-1',
  })
})

t.test('3.6: bytes of a Secret that are no text', async t => {
  const raw = keyRef('secretKeyRef', 'raw', 'key')
  const envFrom = [
    { prefix: 'P_', secretRef: { name: 'raw', optional: false } },
  ]
  const cases: readonly (readonly [Partial<Container>, string])[] = [
    [{ env: [raw] }, 'X'],
    [{ envFrom }, 'P_key'],
    // Of what is made out of it, too, whatever becomes of it itself.
    [
      { env: [raw, { name: 'Y', value: 'a$(X)' }, { name: 'X', value: 'b' }] },
      'Y',
    ],
  ]
  for (const [container, name] of cases)
    t.throws(() => declare(container), {
      code: 'CONTAINER_CREATE',
      message: `string field contains invalid UTF-8: the environment variable "${name}", from key key of Secret default/raw`,
    })
  t.same(
    declare({
      envFrom,
      env: [raw, { name: 'P_key', value: '$$(X)' }, { name: 'X', value: 'b' }],
    }),
    { X: 'b', P_key: '$(X)' },
    'hidden by a later one',
  )
})

t.test('6.10: what is missing, in the words of the kubelet', async t => {
  const cases = [
    ['configMapKeyRef', 'nope', 'k', 'configmap "nope" not found'],
    ['secretKeyRef', 'nope', 'k', 'secret "nope" not found'],
    [
      'secretKeyRef',
      'sec',
      'nokey',
      "couldn't find key nokey in Secret default/sec",
    ],
    [
      'configMapKeyRef',
      'cm',
      'nokey',
      "couldn't find key nokey in ConfigMap default/cm",
    ],
    [
      'configMapKeyRef',
      'cm',
      'binary',
      "couldn't find key binary in ConfigMap default/cm",
    ],
  ] as const
  for (const [kind, name, key, message] of cases) {
    t.throws(() => declare({ env: [keyRef(kind, name, key)] }), {
      code: 'CONTAINER_CONFIG',
      message,
    })
    t.same(declare({ env: [keyRef(kind, name, key, true)] }), {})
  }
  for (const [ref, resource] of [
    ['configMapRef', 'configmap'],
    ['secretRef', 'secret'],
  ] as const) {
    const source = (optional: boolean) => ({
      envFrom: [{ prefix: '', [ref]: { name: 'nope', optional } }],
    })
    t.throws(() => declare(source(false)), {
      message: `${resource} "nope" not found`,
    })
    t.same(declare(source(true)), {})
  }
})

t.test('C91 C92 C97 C98: envFrom with any prefix', async t => {
  for (const prefix of ['', 'p-', '1-', '$_-', 'ABC_', '#@!']) {
    const secretRef = { name: 'sec', optional: false }
    t.same(declare({ envFrom: [{ prefix, secretRef }] }), {
      [`${prefix}data-1`]: 'secret-1',
    })
    const configMapRef = { name: 'cm', optional: false }
    t.same(declare({ envFrom: [{ prefix, configMapRef }] }), {
      [`${prefix}data-1`]: 'value-1',
      [`${prefix}shared`]: 'from cm',
    })
  }
})

t.test('a key of a file', async t => {
  const from = (key: string, optional: boolean): EnvVar => ({
    name: 'X',
    valueFrom: { fileKeyRef: { volumeName: 'v', path: 'f', key, optional } },
  })
  const earlier = { name: 'X', value: 'earlier' }
  t.same(declare({ env: [earlier, from('key', false)] }), { X: 'key' })
  t.same(declare({ env: [earlier, from('none', true)] }), { X: 'earlier' })
  t.same(declare({ env: [from('none', true)] }), {})
})

t.test(
  '3.6: later wins, and optional and missing leaves the earlier',
  async t => {
    const envFrom = [
      { prefix: '', configMapRef: { name: 'cm', optional: false } },
      { prefix: '', secretRef: { name: 'sec', optional: false } },
    ]
    t.same(declare({ envFrom }), { 'data-1': 'secret-1', shared: 'from cm' })
    const missing = {
      ...keyRef('secretKeyRef', 'nope', 'k', true),
      name: 'shared',
    }
    t.same(declare({ envFrom, env: [missing] }).shared, 'from cm')
    const literal = { name: 'shared', value: 'env' }
    t.same(declare({ envFrom, env: [literal, missing] }).shared, 'env')
  },
)

t.test('C113: $(VAR) sees envFrom and earlier entries only', async t => {
  const envFrom = [
    { prefix: '', configMapRef: { name: 'cm', optional: false } },
  ]
  const env = [
    { name: 'EARLY', value: '$(LATE) $(shared) $(HOSTNAME)' },
    { name: 'LATE', value: 'late' },
    { name: 'BOTH', value: '$(EARLY);;$(LATE)' },
  ]
  const found = declare({ envFrom, env })
  t.equal(found.EARLY, '$(LATE) from cm $(HOSTNAME)')
  t.equal(found.BOTH, '$(LATE) from cm $(HOSTNAME);;late')
})

t.test('C101 C102 C103 C107: fieldRef', async t => {
  const pod = makePod({
    name: 'p',
    namespace: 'ns',
    uid: 'u',
    labels: { app: 'web' },
    spec: { serviceAccountName: 'sa' },
  })
  const cases = [
    ['metadata.name', 'p'],
    ['metadata.namespace', 'ns'],
    ['metadata.uid', 'u'],
    ["metadata.labels['app']", 'web'],
    ["metadata.labels['none']", ''],
    ['spec.nodeName', 'node'],
    ['spec.host', 'node'],
    ['spec.serviceAccountName', 'sa'],
    ['status.hostIP', '192.0.2.1'],
    ['status.hostIPs', '192.0.2.1'],
    ['status.podIP', '127.1.2.3'],
    ['status.podIPs', '127.1.2.3'],
  ] as const
  for (const [fieldPath, value] of cases) {
    t.equal(declare({ env: [fieldRef(fieldPath)] }, pod).X, value, fieldPath)
  }
  const addresses = (...podIPs: string[]) =>
    ['status.podIP', 'status.podIPs'].map(
      fieldPath => declare({ env: [fieldRef(fieldPath)] }, pod, podIPs).X,
    )
  t.strictSame(addresses('127.1.2.3', '::1'), ['127.1.2.3', '127.1.2.3,::1'])
  t.strictSame(addresses(), ['', ''], 'before it has any')
  t.throws(() => declare({ env: [fieldRef('spec.nope')] }), {
    message: 'unsupported fieldPath: spec.nope',
  })
})

t.test('C105 C106: resourceFieldRef', async t => {
  const resources = {
    limits: new Map([['cpu', '1250m']]),
    requests: new Map([['memory', '32Mi']]),
  }
  const pod = makePod({
    spec: {
      containers: [makeContainer({ name: 'main', resources })],
      initContainers: [makeContainer({ name: 'init' })],
    },
  })
  const read = (resource: string, containerName?: string, of: Pod = pod) =>
    declare(
      {
        name: 'other',
        env: [
          {
            name: 'X',
            valueFrom: {
              resourceFieldRef: {
                resource,
                ...(containerName === undefined ? {} : { containerName }),
              },
            },
          },
        ],
      },
      of,
    ).X
  t.equal(read('limits.cpu', 'main'), '2')
  t.equal(read('requests.memory', 'main'), '33554432')
  t.equal(read('limits.cpu'), '4', 'of the container itself: allocatable')
  t.equal(read('limits.cpu', ''), '4', 'who names none means itself')
  t.equal(read('limits.cpu', 'init'), '0', 'of an init container that is named')
  const limits = (...list: [string, string][]): Pod => ({
    ...pod,
    spec: {
      ...pod.spec,
      resources: { limits: new Map(list), requests: new Map() },
    },
  })
  const limited = limits(['cpu', '2500m'], ['ephemeral-storage', '1Mi'])
  t.equal(read('limits.cpu', '', limited), '3', 'C109: of the Pod')
  t.equal(read('limits.cpu', 'main', limited), '2')
  for (const resource of ['limits.memory', 'limits.ephemeral-storage'])
    t.equal(read(resource, '', limited), read(resource), `C110: ${resource}`)
  t.equal(read('limits.cpu', '', limits(['cpu', '0'])), '4', 'zero is none')
  t.throws(() => read('gpu', 'main'), {
    code: 'CONTAINER_CONFIG',
    message: 'unsupported container resource : gpu',
  })
  t.throws(() => read('limits.cpu', 'nope'), {
    message: 'container nope not found',
  })
})

t.test('a value, and where another one would come from', async t => {
  const env = (value: string | undefined, valueFrom?: EnvVar['valueFrom']) =>
    declare({
      env: [
        {
          name: 'X',
          ...(value !== undefined && { value }),
          ...(valueFrom !== undefined && { valueFrom }),
        },
      ],
    }).X
  const name = { fieldRef: { fieldPath: 'metadata.name' } }
  t.equal(env('own', name), 'own')
  t.equal(env('', name), 'pod', 'an empty one is none')
  t.equal(env(undefined, name), 'pod')
  t.equal(env(undefined), '')
  t.equal(env(''), '')
  t.equal(env(undefined, {}), '', 'from nowhere')
})

t.test('6.16: what the run-time adds', async t => {
  const runtime = {
    path: '/bin',
    hostname: 'host',
    home: '/root',
    image: new Map([
      ['PATH', '/opt/bin'],
      ['LANG', 'C'],
    ]),
  }
  const declared = new Map([['LANG', 'de']])
  t.same(
    [...containerEnvironment(declared, runtime)],
    [
      ['PATH', '/opt/bin'],
      ['HOSTNAME', 'host'],
      ['LANG', 'de'],
      ['HOME', '/root'],
    ],
  )
  const home = new Map([['HOME', '/home/me']])
  t.equal(containerEnvironment(home, runtime).get('HOME'), '/home/me')
})

t.test('a NUL byte is refused without printing the value', async t => {
  const runtime = { path: '/bin', hostname: 'host', home: '/' }
  const declared = new Map([['TOKEN', 'secret\0value']])
  t.throws(() => containerEnvironment(declared, runtime), {
    message: 'environment variable "TOKEN" contains a NUL byte',
  })
})
