import t from 'tap'
import { podfs } from '../helpers/podfs.ts'

const explain = async (...args: string[]) => {
  const { code, stdout, stderr } = await podfs(t, ['explain', ...args])
  return { code, stdout, stderr }
}

t.test('a field: type, default, values, treatment', async t => {
  const { code, stdout } = await explain('pod.spec.restartPolicy')
  t.equal(code, 0)
  t.equal(
    stdout,
    `KIND:     Pod
VERSION:  v1
FIELD:    restartPolicy <string>
DEFAULT:  Always
VALUES:   Always, OnFailure, Never
PODFS:    supported

Whether a container that has ended is started again.
`,
  )
})

t.test('a struct: its fields, what is different for each', async t => {
  const { stdout } = await explain('pod.spec.volumes[0].configMap')
  t.match(stdout, /^FIELD: {4}configMap <ConfigMapVolumeSource>$/m)
  t.match(stdout, /^ {2}name +<string> required$/m)
  t.match(stdout, /^ {2}defaultMode +<int32> default 0644 \(420\)$/m)
  const spec = await explain('po.spec')
  t.match(
    spec.stdout,
    /^ {2}schedulerName +<[^>]+> +ignored: there is one node/m,
  )
})

t.test('inside of a field that is ignored, everything is', async t => {
  const { stdout } = await explain(
    'pod.spec.affinity.podAffinity',
    '-o',
    'json',
  )
  t.match(JSON.parse(stdout), {
    path: 'pod.spec.affinity.podAffinity',
    type: 'PodAffinity',
    treatment: 'ignored',
    fields: [{ treatment: 'ignored' }, { treatment: 'ignored' }],
  })
})

t.test('--recursive: the fields of the fields', async t => {
  const { stdout } = await explain('pod.spec.volumes', '--recursive')
  t.match(stdout, /^ {2}configMap <[^>]+>\n {4}name <string>\n {4}items /m)
})

for (const same of [
  'configmap.data',
  'ConfigMap.data',
  'cm.data',
  'configmaps.data.colour',
]) {
  t.test(
    `${same}: kubectl's names of a kind, and the keys of a map`,
    async t => {
      const { stdout } = await explain(same)
      t.match(stdout, /^KIND: {5}ConfigMap$[\s\S]*^FIELD: {4}data <map/m)
    },
  )
}

for (const [path, stderr] of Object.entries({
  'pod.spec.containerz':
    'error: pod.spec: PodSpec has no field "containerz"\n  podfs explain pod.spec.containers\n',
  data: 'error: data: a field of Secret and ConfigMap\n  podfs explain secret.data\n',
  livenessProbe:
    'error: livenessProbe: neither a kind that podfs knows (Pod, Secret, ConfigMap, ServiceAccount, ClusterTrustBundle, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob) nor a field of one\n  podfs explain pod.spec.containers.livenessProbe\n',
  'pod.spec.hostname.x':
    'error: pod.spec.hostname has no fields\n  podfs explain pod.spec.hostname\n',
})) {
  t.test(`${path}: an error with the path that was meant`, async t => {
    t.same(await explain(path), { code: 2, stdout: '', stderr })
  })
}
