import { truncateSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { podfs } from '../helpers/podfs.ts'

const manifest = `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  nodeSelector: {a: b}
  affinity: {nodeAffinity: {}}
  containers:
  - name: web
    image: nginx
    imagePullPolicy: Never
    env: [{name: A, value: x}, {name: A, value: z}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: b, c: d}
`

const validate = async (input: string, ...args: string[]) =>
  podfs(t, ['validate', '-f', '-', ...args], { input })

t.test(
  'warnings, what is done differently, and a line for each object',
  async t => {
    const { code, stdout, stderr } = await validate(manifest)
    t.equal(stderr, '')
    t.equal(code, 0, 'warnings keep exit 0')
    t.same(stdout.replace(/(emulated|ignored): .*/g, '$1').split('\n'), [
      'warning: stdin:11:32: Pod default/web: spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
      'warning: stdin:5:3: Pod default/web: spec.nodeSelector: ignored',
      'warning: stdin:6:3: Pod default/web: spec.affinity: ignored',
      'warning: stdin:9:5: Pod default/web: spec.containers[0].image: emulated',
      'warning: stdin:10:5: Pod default/web: spec.containers[0].imagePullPolicy: emulated',
      'stdin:1:1: Pod default/web: 8 fields supported, 2 emulated, 2 ignored',
      'stdin:13:1: ConfigMap default/settings: 4 fields supported',
      '',
    ])
  },
)

t.test('-o wide has a line for each supported field, too', async t => {
  const { stdout } = await validate(manifest, '-o', 'wide')
  const supported = stdout.match(/^stdin:.*: supported$/gm) ?? []
  t.equal(supported.length, 8 + 4)
})

t.test('-o json: findings and the fields of each object', async t => {
  const { stdout } = await validate(manifest, '-o', 'json')
  const { findings, objects } = JSON.parse(stdout) as {
    findings: unknown[]
    objects: { fields: { fieldPath: string; treatment: string }[] }[]
  }
  t.equal(findings.length, 5)
  t.match(objects[0], { object: { kind: 'Pod', name: 'web' } })
  t.same(
    objects[0]?.fields
      .filter(({ treatment }) => treatment !== 'supported')
      .map(({ fieldPath, treatment }) => `${fieldPath} ${treatment}`),
    [
      'spec.nodeSelector ignored',
      'spec.affinity ignored',
      'spec.containers[0].image emulated',
      'spec.containers[0].imagePullPolicy emulated',
    ],
  )
})

t.test('a template counts by its own fields', async t => {
  const { stdout } = await validate(`apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
`)
  t.match(
    stdout,
    /^stdin:1:1: Deployment default\/web: \d+ fields supported, \d+ emulated$/m,
  )
})

t.test('what is too large is not read, in the words of mount', async t => {
  const directory = t.testdir({ 'large.yaml': '' })
  const file = path.join(directory, 'large.yaml')
  truncateSync(file, 2 ** 33)
  const { code, stdout } = await podfs(t, ['validate', '-f', file])
  t.equal(code, 1)
  t.equal(
    stdout,
    `error: ${file}:1:1: not read: the file has 8589934592 bytes, more than 33554432\n`,
  )
  const piped = await validate(' '.repeat(2 ** 25 + 1))
  t.equal(piped.code, 1)
  t.equal(
    piped.stdout,
    'error: stdin:1:1: not read: it has more than 33554432 bytes\n',
  )
  const config = await podfs(t, ['validate', '-f', '-', '--config', file], {
    input: '',
  })
  t.equal(config.code, 2)
  t.match(
    config.stderr,
    /large\.yaml:1:1: not read: it has more than 1048576 bytes/,
  )
  const created = await podfs(t, [
    'create',
    'configmap',
    'c',
    '--dry-run=client',
    '-o',
    'yaml',
    `--from-file=${file}`,
  ])
  t.equal(created.code, 2)
  t.match(
    created.stderr,
    /large\.yaml: not read: the file has 8589934592 bytes/,
  )
})
