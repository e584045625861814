import t, { type Test } from 'tap'
import { keyOf, objectKey, type ObjectKey } from '../../src/api/object-key.ts'
import { nextCount, Replicas } from '../../src/pods/replicas.ts'
import { SessionRecord } from '../../src/server/session-record.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'
import { Store } from '../../src/store/store.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

t.test('how many there are next', async t => {
  const all = (): boolean => true
  const none = (): boolean => false
  for (const [title, current, wanted, inTurn, is, expected] of [
    ['nothing to do', 2, 2, true, none, 2],
    ['more, all at once', 1, 4, false, none, 4],
    ['fewer, all at once', 4, 0, false, none, 0],
    ['in turn: the one before is ready', 1, 4, true, all, 2],
    ['in turn: the one before is not ready', 1, 4, true, none, 1],
    ['in turn: there is none before', 0, 2, true, none, 1],
    ['in turn: the one that went last is gone', 4, 1, true, all, 3],
    ['in turn: the one that went last is not gone', 4, 1, true, none, 4],
  ] as const)
    t.equal(
      nextCount({ current, wanted, inTurn, isReady: is, isGone: is }),
      expected,
      title,
    )
})

const workload = (kind: string, name: string, spec = ''): string => `---
apiVersion: apps/v1
kind: ${kind}
metadata: {name: ${name}}
spec:
  replicas: 5
  ${spec}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      volumes: [{name: data, emptyDir: {}}, {name: other, emptyDir: {}}]
      containers: [{name: c, image: busybox}]
`
const claims =
  'volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]'

function world(t: Test, text: string, left?: Record<string, number>) {
  const clock = new FakeClock()
  const record = new SessionRecord(clock)
  const replicas = new Replicas(left)
  const store = new Store({ clock, expand: pod => replicas.expand(pod) })
  const told: string[] = []
  const mistakes: string[] = []
  const saved: Readonly<Record<string, number>>[] = []
  const read = (manifest: string): void => {
    const { objects } = readManifest(manifest, 'x.yaml', {
      namespace: 'default',
    })
    store.replace('x.yaml', objects)
  }
  read(text)
  const end = replicas.follow({
    store,
    record,
    isToRun: () => true,
    notice: text => told.push(text),
    report: ({ message }) => mistakes.push(message),
    save: now => saved.push(now),
  })
  t.teardown(end)
  const names = (): readonly string[] =>
    store.list('Pod').map(({ metadata }) => metadata.name)
  return {
    store,
    record,
    replicas,
    told,
    mistakes,
    saved,
    read,
    names,
    /** It runs, and is ready; gives what ends it. */
    ready: (name: string): (() => void) => {
      const pod = store.get('Pod', 'default', name)
      if (pod === undefined) throw new Error(`no Pod ${name}`)
      const run = record.pod(pod)
      run.status({
        phase: 'Running',
        conditions: [
          {
            type: 'Ready',
            status: 'True',
            lastProbeTime: null,
            lastTransitionTime: null,
          },
        ],
        qosClass: 'BestEffort',
        containerStatuses: [],
      })
      return () => run.gone()
    },
  }
}

const keyOfSet: ObjectKey = objectKey('StatefulSet', 'default', 'web')
const keyOfDeployment: ObjectKey = objectKey('Deployment', 'default', 'web')

t.test('a Deployment has Pods with names that stay', async t => {
  const w = world(t, workload('Deployment', 'web'))
  t.strictSame(w.names(), ['web'], 'one, whatever its file says')
  w.replicas.scale(keyOfDeployment, 3)
  const [first, ...others] = w.names()
  t.equal(first, 'web')
  t.equal(new Set(others).size, 2)
  for (const name of others)
    t.match(name, /^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  t.strictSame(w.told, ['Deployment default/web is scaled from 1 to 3'])
  t.strictSame(w.saved, [{ 'Deployment/default/web': 3 }])
  t.equal(w.record.replicas.get(keyOfDeployment), 3)
  w.replicas.scale(keyOfDeployment, 2)
  const [second = ''] = others
  t.ok(w.names().length === 2 && w.names().includes('web'))
  w.replicas.scale(keyOfDeployment, 3)
  t.ok(w.names().includes(second), 'the same names again')
  const before = w.store.list('Pod').map(({ metadata }) => metadata.uid)
  t.equal(new Set(before).size, 3, 'each is a Pod of its own')
  w.read(workload('Deployment', 'web'))
  t.strictSame(
    w.store.list('Pod').map(({ metadata }) => metadata.uid),
    before,
    'what is read again changes nothing',
  )
  w.replicas.scale(keyOfDeployment, 0)
  t.strictSame(w.names(), [])
})

t.test('a StatefulSet, one after the other', async t => {
  const w = world(t, workload('StatefulSet', 'web', claims))
  w.replicas.scale(keyOfSet, 3)
  t.strictSame(w.names(), ['web-0'], 'the first is not ready')
  w.ready('web-0')
  t.strictSame(w.names(), ['web-0', 'web-1'])
  const endFirst = w.ready('web-1')
  const endSecond = w.ready('web-2')
  const pod = w.store.get('Pod', 'default', 'web-2')
  t.match(pod?.metadata.labels.get('apps.kubernetes.io/pod-index'), '2')
  t.match(pod?.spec, {
    hostname: 'web-2',
    volumes: [
      { name: 'data', persistentVolumeClaim: { claimName: 'data-web-2' } },
      { name: 'other', emptyDir: {} },
    ],
  })
  w.replicas.scale(keyOfSet, 1)
  t.strictSame(w.names(), ['web-0', 'web-1'], 'the last one goes first')
  endSecond()
  t.strictSame(w.names(), ['web-0'])
  endFirst()
  t.strictSame(w.names(), ['web-0'])
})

t.test('a StatefulSet, all at once, and from another number', async t => {
  const parallel = 'podManagementPolicy: Parallel\n  ordinals: {start: 7}'
  const w = world(t, workload('StatefulSet', 'web', parallel))
  w.replicas.scale(keyOfSet, 3)
  t.strictSame(w.names(), ['web-7', 'web-8', 'web-9'])
})

t.test('what a podfs before this one was told', async t => {
  const w = world(t, workload('StatefulSet', 'web'), { [keyOfSet]: 2 })
  t.strictSame(w.names(), ['web-0', 'web-1'])
  t.equal(w.record.replicas.get(keyOfSet), 2)
  w.read(workload('Deployment', 'other'))
  t.strictSame(w.saved, [{}], 'until the workload leaves its files')
  w.read(workload('StatefulSet', 'web'))
  t.strictSame(w.names(), ['web-0'])
})

t.test('another object has the name', async t => {
  const other = `---
apiVersion: v1
kind: Pod
metadata: {name: web-1}
spec: {containers: [{name: c, image: busybox}]}
`
  const parallel = 'podManagementPolicy: Parallel'
  const w = world(t, `${other}${workload('StatefulSet', 'web', parallel)}`)
  w.replicas.scale(keyOfSet, 2)
  t.strictSame(w.names(), ['web-0', 'web-1'])
  t.equal(
    w.store.list('Pod').find(pod => keyOf(pod) === 'Pod/default/web-1')
      ?.workload,
    undefined,
  )
  t.match(w.mistakes, [/^already defined in x.yaml:2:1; that one is used$/])
})
