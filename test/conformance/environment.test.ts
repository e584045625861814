import { totalmem } from 'node:os'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import {
  container,
  list,
  object,
  writer,
  type Json,
} from '../helpers/conformance-pod.ts'
import { podfs } from '../helpers/podfs.ts'
import { runPods } from '../helpers/seen-pods.ts'

/*
 * What a Pod's containers find in their environment, in one run of several Pods (C104,
 * C108 to C112, C116 to C122, C189 to C191); and what is refused before it runs (C119, C120, C192 to C194).
 */

const override = 'override.host.example'
const names = 'hostname; hostname -f; cat /etc/hostname; echo "$HOSTNAME"'

const data = { name: 'data', emptyDir: {} }
const writes = container(
  'init',
  `printf "# by init\\nCONFIG_1='value1'\\nCONFIG_2='two\\nlines' # more\\n" >/data/config.env`,
  { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
)
const fileKey = (name: string, key: string, more: Json = {}): Json => ({
  name,
  valueFrom: {
    fileKeyRef: { volumeName: 'data', path: 'config.env', key, ...more },
  },
})

/** Shells drop most of them; they come as their own environment. */
const printable = [
  `!"#$%&'()=value-1`,
  '* +,-./0123456789=value-2',
  ':;<>?@=value-3',
  '[\\]^_`{}|~=value-4',
]
const prints = (pid: string): string =>
  `tr '\\0' '\\n' </proc/${pid}/environ | grep '=value-'`
const resource = (
  name: string,
  resource: string,
  containerName?: string,
): Json => ({
  name,
  valueFrom: { resourceFieldRef: { resource, containerName } },
})
const limits = container('c', 'echo "$A"; echo "$B"', {
  env: [resource('A', 'limits.cpu'), resource('B', 'limits.memory')],
})

/** What each Pod prints, line by line. */
const pods: readonly (readonly [
  title: string,
  name: string,
  lines: readonly string[],
  spec: Json,
])[] = [
  [
    'C189: hostnameOverride',
    'c189',
    [override, override, override, override],
    { hostnameOverride: override, containers: [container('c', names)] },
  ],
  [
    'C190 C191: it wins over hostname and subdomain',
    'c190',
    [override, override, override, override],
    {
      hostnameOverride: override,
      hostname: 'other',
      subdomain: 'sub',
      containers: [container('c', names)],
    },
  ],
  [
    'C117 C118: fileKeyRef, of a file that an init container wrote',
    'c117',
    ['value1', 'two', 'lines', 'kept', 'unset'],
    {
      initContainers: [writes],
      containers: [
        container('c', 'echo "$A"; echo "$B"; echo "$C"; echo "${D-unset}";', {
          env: [
            fileKey('A', 'CONFIG_1'),
            fileKey('B', 'CONFIG_2'),
            { name: 'C', value: 'kept' },
            fileKey('C', 'MISSING', { optional: true }),
            fileKey('D', 'MISSING', { optional: true }),
          ],
        }),
      ],
      volumes: [data],
    },
  ],
  [
    'C116: nearly any name of a variable, in hooks too',
    'c116',
    [...printable, ...printable],
    {
      containers: [
        container(
          'c',
          `until [ -s /data/hook ]; do sleep 0.05; done; ${prints('1')}; cat /data/hook`,
          {
            env: printable.map(variable => {
              const [name = '', value = ''] = variable.split('=')
              return { name, value }
            }),
            lifecycle: {
              postStart: {
                exec: { command: ['sh', '-c', `${prints('$$')} >/data/hook`] },
              },
            },
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
          },
        ),
      ],
      volumes: [data],
    },
  ],
  [
    'C108 C111 C112: huge pages and ephemeral storage',
    'c108',
    ['0', '0', '67108864', '33554432', 'allocatable'],
    {
      containers: [
        container(
          'c',
          'echo "$A"; echo "$B"; echo "$D"; echo "$E"; case $F in [1-9]*) echo allocatable; esac',
          {
            env: [
              resource('A', 'limits.hugepages-2Mi'),
              resource('B', 'requests.hugepages-2Mi'),
              resource('D', 'limits.ephemeral-storage'),
              resource('E', 'requests.ephemeral-storage'),
              resource('F', 'limits.ephemeral-storage', 'd'),
            ],
            resources: {
              limits: { 'ephemeral-storage': '64Mi' },
              requests: { 'ephemeral-storage': '32Mi' },
            },
          },
        ),
        container('d', ''),
      ],
    },
  ],
  [
    'C109: limits of the Pod',
    'c109',
    ['2', '67108864'],
    {
      resources: {
        requests: { cpu: '250m', memory: '32Mi' },
        limits: { cpu: '1250m', memory: '64Mi' },
      },
      containers: [limits],
    },
  ],
  [
    'C110: of the Pod, else of the node',
    'c110',
    ['2', String(totalmem())],
    {
      resources: { requests: { cpu: '10m' }, limits: { cpu: '1250m' } },
      containers: [limits],
    },
  ],
  [
    'C104: the addresses of a Pod with hostNetwork',
    'c104',
    ['one address'],
    {
      hostNetwork: true,
      containers: [
        container(
          'c',
          `echo "$A $B $C $D" | grep -qE '^([0-9.]+) \\1 \\1 \\1$' && echo one address`,
          {
            env: ['hostIP', 'podIP', 'hostIPs', 'podIPs'].map((field, i) => ({
              name: 'ABCD'[i],
              valueFrom: { fieldRef: { fieldPath: `status.${field}` } },
            })),
          },
        ),
      ],
    },
  ],
]

t.test('the environment', { skip: cannotStart() }, async t => {
  const directory = t.testdir()
  const write = writer(directory)
  const save = (name: string, spec: Json): Promise<void> =>
    write(
      `${name}.json`,
      object.pod({ name }, { automountServiceAccountToken: false, ...spec }),
    )
  for (const [, name, , spec] of pods) await save(name, spec)
  const missing = (name: string, more: Json): Json =>
    container(name, '', { env: [fileKey('A', 'MISSING', more)] })
  await save('c121', {
    initContainers: [
      container(
        'init',
        `cd /data; echo "A='1'" >config.env; echo A=1 >bad.env`,
        {
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ),
    ],
    containers: [
      missing('file', { path: 'no.env', optional: true }),
      missing('key', {}),
      missing('bad', { path: 'bad.env' }),
      missing('other', { volumeName: 'other' }),
    ],
    volumes: [data, { name: 'other', emptyDir: {} }],
  })
  const says = 'echo hook $A >/proc/1/fd/1; touch /data/done'
  await save('c122', {
    initContainers: [writes],
    containers: [
      container('c', 'until [ -e /data/done ]; do sleep 0.05; done', {
        env: [fileKey('A', 'CONFIG_1')],
        lifecycle: { postStart: { exec: { command: ['sh', '-c', says] } } },
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
      }),
    ],
    volumes: [data],
  })
  const { run, over, until } = await runPods(t, directory)
  /** What a container has printed. */
  const output = (name: string): string[] =>
    [...run.stdout().matchAll(/^(\S+) +\| (.*)$/gm)]
      .filter(([, of]) => of === name)
      .map(([, , line = '']) => line)
  for (const [title, name, lines] of pods)
    await t.test(title, async t => {
      t.equal((await over(name)).phase, 'Succeeded')
      t.same(output(`${name}/c`), lines)
    })
  await t.test('the resources of a Pod are described', async t => {
    const args = ['c109', '--session', `run-${run.pid}`]
    const { stdout } = await podfs(t, ['describe', 'pod', ...args])
    t.match(
      stdout.replaceAll(/ +$/gm, ''),
      /^Resources:\n {2}Limits:\n {4}cpu: +1250m\n {4}memory: +64Mi\n {2}Requests:\n {4}cpu: +250m\n {4}memory: +32Mi\nContainers:/m,
    )
    t.match(stdout, /^QoS Class: +Burstable$/m)
  })
  await t.test('C121: no such file, or no such key', async t => {
    const seen = await until('c121', ({ of }) =>
      ['file', 'key', 'bad', 'other'].every(
        name => of(name).state.waiting?.message,
      ),
    )
    const waiting = (name: string): string | undefined => {
      const { reason, message } = seen.of(name).state.waiting ?? {}
      t.equal(reason, 'CreateContainerConfigError')
      return message?.replaceAll(/"\/.*\//g, '"/')
    }
    t.equal(
      waiting('file'),
      `couldn't parse env file: failed to open environment variable file "/no.env": no such file or directory`,
    )
    t.equal(
      waiting('key'),
      'environment variable key "MISSING" not found in file "/config.env"',
    )
    t.equal(
      waiting('bad'),
      `couldn't parse env file: "/bad.env": invalid environment variable format at line 1: value must be enclosed in single quotes`,
    )
    t.equal(
      waiting('other'),
      'cannot find the volume "other" referenced by FileKeyRef',
    )
  })
  await t.test('C122: in postStart hooks, too', async t => {
    await run.saw(/c122\/c +\| hook value1$/m)
    t.equal((await over('c122')).phase, 'Succeeded')
  })
})

const label =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"

const ofFileKey = 'spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName'
const readsFile = (volumeName: string): Json => ({
  containers: [
    container('c', '', { env: [fileKey('A', 'A', { volumeName })] }),
  ],
  volumes: [{ name: 'path', hostPath: { path: '/etc' } }],
})

/** What is refused, and in which words. */
const refused: readonly (readonly [
  title: string,
  words: string,
  spec: Json,
])[] = [
  [
    'C192: hostnameOverride with setHostnameAsFQDN',
    'spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true',
    { hostnameOverride: override, setHostnameAsFQDN: true },
  ],
  [
    'C193: hostnameOverride with hostNetwork',
    'spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true',
    { hostnameOverride: override, hostNetwork: true },
  ],
  [
    'C194: a hostnameOverride that is no subdomain',
    `spec.hostnameOverride: Invalid value: "Not_RFC1123": ${label}`,
    { hostnameOverride: 'Not_RFC1123' },
  ],
  [
    'C119: fileKeyRef of a volume that is not there',
    `${ofFileKey}: Not found: "none"`,
    readsFile('none'),
  ],
  [
    'C120: fileKeyRef of a volume that is no emptyDir',
    `${ofFileKey}: Invalid value: "path": referenced volume must be of type emptyDir`,
    readsFile('path'),
  ],
]

t.test('what is refused', async t => {
  const items = refused.map(([, , spec], i) =>
    object.pod(
      { name: `p${i}` },
      { containers: [container('c', '')], ...spec },
    ),
  )
  const { code, stdout } = await podfs(t, ['validate', '-f', '-'], {
    input: JSON.stringify(list(items)),
  })
  t.equal(code, 1)
  for (const [i, [title, words]] of refused.entries()) {
    const told = stdout
      .split('\n')
      .filter(line => line.startsWith('error: '))
      .flatMap(line => line.split(`Pod default/p${i}: `).slice(1))
      .map(words => words.replace(/ \(e\.g\. .*/, ''))
    t.same(told, [words], title)
  }
})
