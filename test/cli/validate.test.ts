import { truncateSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { podfs } from '../helpers/podfs.ts'

const manifest = `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  schedulerName: mine
  priorityClassName: high
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
      'warning: stdin:5:3: Pod default/web: spec.schedulerName: ignored',
      'warning: stdin:6:3: Pod default/web: spec.priorityClassName: ignored',
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

t.test('what shows when the containers start', async t => {
  const long = 'x'.repeat(128 * 1024)
  const { code, stdout } = await validate(`apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data: {my.conf: text, LONG: ${long}}
---
apiVersion: v1
kind: Secret
metadata: {name: raw}
data: {key: gIH/AQ==}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers:
      - name: init
        image: busybox
        args: [${long}]
        env:
        - {name: A, valueFrom: {configMapKeyRef: {name: app, key: LONG}}}
        - {name: B, valueFrom: {secretKeyRef: {name: raw, key: key}}}
        - {name: C, valueFrom: {secretKeyRef: {name: elsewhere, key: key}}}
        envFrom:
        - secretRef: {name: raw}
        - configMapRef: {name: app}
      containers:
      - name: web
        image: nginx
        env: [{name: D, value: ${long}}]
        volumeMounts:
        - {name: conf, mountPath: /a, subPath: my.conf}
        - {name: conf, mountPath: /b, subPath: ./my.cnf}
        - {name: elsewhere, mountPath: /c, subPath: any}
        - {name: optional, mountPath: /d, subPath: any}
        - {name: items, mountPath: /e, subPath: dir}
        - {name: items, mountPath: /f, subPath: other/name}
        - {name: items, mountPath: /g, subPath: nowhere}
        - {name: empty, mountPath: /h, subPath: any}
      volumes:
      - {name: conf, configMap: {name: app}}
      - {name: elsewhere, secret: {secretName: elsewhere}}
      - {name: optional, secret: {secretName: elsewhere, optional: true}}
      - {name: empty, emptyDir: {}}
      - name: items
        projected:
          sources:
          - configMap: {name: app, optional: true, items: [{key: my.conf, path: dir/x}, {key: gone, path: other/name}]}
          - downwardAPI: {items: [{path: dir/name, fieldRef: {fieldPath: metadata.name}}]}
`)
  t.equal(code, 0)
  const pod = 'Deployment default/web: spec.template.spec'
  const init = `${pod}.initContainers[0]`
  const mounts = `${pod}.containers[0].volumeMounts`
  const kernel = 'and the kernel takes 131071'
  const noText = 'string field contains invalid UTF-8: the environment variable'
  t.strictSame(
    stdout
      .split('\n')
      .filter(line => /argument list|UTF-8|empty dir/.test(line)),
    [
      `warning: stdin:22:16: ${init}.args[0]: argument list too long: it has 131072 bytes, ${kernel}`,
      `warning: stdin:24:33: ${init}.env[0].valueFrom.configMapKeyRef: argument list too long: the environment variable "A" has 131074 bytes with its name, ${kernel}`,
      `warning: stdin:25:33: ${init}.env[1].valueFrom.secretKeyRef: ${noText} "B", from key key of Secret default/raw`,
      `warning: stdin:28:11: ${init}.envFrom[0].secretRef: ${noText} "key", from key key of Secret default/raw`,
      `warning: stdin:29:11: ${init}.envFrom[1].configMapRef: argument list too long: the environment variable "LONG" has 131077 bytes with its name, ${kernel}`,
      `warning: stdin:33:25: ${pod}.containers[0].env[0].value: argument list too long: the environment variable "D" has 131074 bytes with its name, ${kernel}`,
      `warning: stdin:36:39: ${mounts}[1].subPath: subPath "./my.cnf" of volume "conf" is an empty directory: ConfigMap default/app has no key "my.cnf"`,
      `warning: stdin:38:43: ${mounts}[3].subPath: subPath "any" of volume "optional" is an empty directory: Secret default/elsewhere has no key "any"`,
      `warning: stdin:40:40: ${mounts}[5].subPath: subPath "other/name" of volume "items" is an empty directory: ConfigMap default/app has no key "gone"`,
      `warning: stdin:41:40: ${mounts}[6].subPath: subPath "nowhere" of volume "items" is an empty directory: no item of the volume has this path`,
    ],
  )
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
      'spec.schedulerName ignored',
      'spec.priorityClassName ignored',
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
  const device = await podfs(t, ['validate', '-f', '/dev/zero'])
  t.equal(device.code, 1)
  t.equal(
    device.stdout,
    'error: /dev/zero:1:1: not read: it has more than 33554432 bytes\n',
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

t.test('two keys at one path of a volume', async t => {
  const secret = (name: string, data: string): string => `---
apiVersion: v1
kind: Secret
metadata: {name: ${name}}
stringData: {${data}}
`
  const { code, stdout } = await validate(`apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: nginx}]
      volumes:
      - name: all
        projected:
          sources:
          - secret: {name: one}
          - secret: {name: two}
          - secret: {name: elsewhere}
          - serviceAccountToken: {path: token}
${secret('one', 'toto: a, token: b, own: c')}${secret('two', 'toto: d')}`)
  t.equal(code, 0)
  const at = 'spec.template.spec.volumes[0].projected.sources'
  const earlier = 'that of spec.volumes[0].projected.sources[0].secret.name'
  t.strictSame(stdout.match(/^.*takes the place.*$/gm), [
    `warning: stdin:15:22: Deployment default/web: ${at}[1].secret.name: volume "all": "toto" takes the place of ${earlier}`,
    `warning: stdin:17:35: Deployment default/web: ${at}[3].serviceAccountToken.path: volume "all": "token" takes the place of ${earlier}`,
  ])
})
