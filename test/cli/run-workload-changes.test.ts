import { rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { startPodfs } from '../helpers/podfs.ts'
import '../helpers/needs-mounts.ts'

/* A workload's template changes while its Pod runs. */

// Its end outlasts the time after which a file's missing objects are believed to be gone.
const script =
  'trap "echo bye; sleep 0.6; exit 0" TERM; echo hello; sleep 1000 & wait'

async function save(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

t.test(
  'what a Secret or ConfigMap under a new name brings with it',
  async t => {
    const manifest = (hash: string) => `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: c
        image: busybox
        command: [sh, -c, 'cat /etc/app/key; ${script}']
        volumeMounts: [{name: config, mountPath: /etc/app}]
      volumes: [{name: config, configMap: {name: app-${hash}}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: app-${hash}}
data: {key: "value ${hash}\\n"}
`
    const dir = t.testdir({ 'all.yaml': manifest('aaa') })
    const run = startPodfs(t, ['run', '-f', dir])
    await run.saw(/^c \| value aaa\nc \| hello/m)
    for (const hash of ['bbb', 'ccc']) {
      await save(path.join(dir, 'all.yaml'), manifest(hash))
      await run.saw(
        new RegExp(`^c \\| bye\nc \\| value ${hash}\nc \\| hello`, 'm'),
      )
    }
    t.notMatch(run.stderr(), /^error/m, 'nobody missed the old one')
    t.match(
      run.stderr(),
      /^podfs: Deployment default\/web changed \(spec\.template\.spec\.volumes\[0\]\.configMap\.name\): restarting its Pod$/m,
    )
  },
)

t.test(
  'where a controller rolls out, metadata of the template restart, too',
  async t => {
    const manifest = (sum: string) => `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}, annotations: {checksum/config: "${sum}"}}
    spec:
      containers:
      - {name: c, image: busybox, command: [sh, -c, 'tail -n 1 /etc/hosts; ${script}']}
`
    const dir = t.testdir({ 'db.yaml': manifest('1') })
    const run = startPodfs(t, ['run', '-f', dir])
    await run.saw(
      /^c \| \S+\tdb-0\.db\.default\.svc\.cluster\.local\tdb-0\nc \| hello/m,
    )
    await save(path.join(dir, 'db.yaml'), manifest('2'))
    await run.saw(/hello[^]*hello/)
    t.match(
      run.stderr(),
      /\(spec\.template\.metadata\.annotations\.checksum\/config\)/,
    )
  },
)
