import t, { type Test } from 'tap'
import { items, part, type JsonObject } from '../../src/api/json.ts'
import { objectKey } from '../../src/api/object-key.ts'
import type { Pod } from '../../src/api/types.ts'
import type { PodStatus } from '../../src/runner/status/pod-status.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'
import { apiNow, startApiServer } from '../helpers/api-server.ts'

/*
 * Workloads and Services of the files, and what the one Pod that runs makes of their status.
 */

const since = new Date(apiNow).toISOString().replace(/\.\d+Z$/, 'Z')

const template = (app: string): string =>
  `{metadata: {labels: {app: ${app}}, annotations: {podfs.io/run: "true"}}, spec: {containers: [{name: c, image: i}]}}`

const ofApps = (kind: string, spec = ''): string => `---
apiVersion: apps/v1
kind: ${kind}
metadata: {name: web}
spec: {selector: {matchLabels: {app: ${kind}}}, template: ${template(kind)}${spec}}
`
const job = (
  name: string,
  run = 'annotations: {podfs.io/run: "true"}',
): string => `---
apiVersion: batch/v1
kind: Job
metadata: {name: ${name}}
spec: {template: {metadata: {${run}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}
`

async function withObjects(t: Test, text: string) {
  const server = await startApiServer(t)
  const read = (text: string) => {
    const { objects, findings } = readManifest(text, 'x.yaml', {
      namespace: 'default',
    })
    t.strictSame(
      findings.filter(({ treatment }) => treatment === 'rejected'),
      [],
    )
    server.store.replace('x.yaml', objects)
    return objects
  }
  read(text)
  const runs = new Map<string, ReturnType<typeof server.record.pod>>()
  /** The Pod is in this state now. */
  const set = (name: string, phase: PodStatus['phase'], ready = false) => {
    const pod = server.store.get('Pod', 'default', name) as Pod
    const run = runs.get(name) ?? server.record.pod(pod)
    runs.set(name, run)
    run.status({
      phase,
      conditions: [
        {
          type: 'Ready',
          status: ready ? 'True' : 'False',
          lastProbeTime: null,
          lastTransitionTime: since,
        },
      ],
      hostIP: '',
      hostIPs: [],
      startTime: since,
      qosClass: 'BestEffort',
      containerStatuses: [],
    })
  }
  const object = async (path: string): Promise<JsonObject> =>
    (await server.get(path)).body
  const row = async (path: string): Promise<unknown> => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const { body } = await server.get(path, { accept })
    return items(body, 'rows')[0]?.['cells']
  }
  return { ...server, read, set, object, row }
}

const apps = '/apis/apps/v1/namespaces/default'
const batch = '/apis/batch/v1/namespaces/default'

t.test('a Deployment of three of which one runs', async t => {
  const text = ofApps('Deployment', ', replicas: 3')
  const { set, object, row, read } = await withObjects(t, text)
  const url = `${apps}/deployments/web`
  const selector = 'app=Deployment'
  t.strictSame(await row(url), ['web', '0/3', 1, 0, '0s', 'c', 'i', selector])
  set('web', 'Running', true)
  t.strictSame(await row(url), ['web', '1/3', 1, 1, '0s', 'c', 'i', selector])
  const deployment = await object(url)
  t.match(deployment, {
    apiVersion: 'apps/v1',
    metadata: { generation: 1 },
    spec: { replicas: 3, strategy: { type: 'RollingUpdate' } },
    status: {
      observedGeneration: 1,
      replicas: 1,
      readyReplicas: 1,
      unavailableReplicas: 2,
      conditions: [{ type: 'Available', status: 'False' }, {}],
    },
  })
  const { metadata } = await object('/api/v1/namespaces/default/pods/web')
  t.match(items(metadata as JsonObject, 'ownerReferences'), [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      name: 'web',
      uid: part(deployment, 'metadata')['uid'],
      controller: true,
    },
  ])
  read(ofApps('Deployment', ', replicas: 1'))
  t.match(await object(url), {
    metadata: { generation: 2 },
    status: { observedGeneration: 2, conditions: [{ status: 'True' }, {}] },
  })
  set('web', 'Failed')
  t.match(await object(url), { status: { replicas: 0, readyReplicas: 0 } })
  read('')
  t.match(await object(url), {
    code: 404,
    message: 'deployments.apps "web" not found',
  })
})

t.test('the other workloads with one Pod', async t => {
  const kinds = ['DaemonSet', 'ReplicaSet', 'StatefulSet'] as const
  for (const kind of kinds) {
    const { set, row } = await withObjects(t, ofApps(kind))
    set(kind === 'StatefulSet' ? 'web-0' : 'web', 'Running', true)
    const cells = (await row(`${apps}/${kind.toLowerCase()}s/web`)) as unknown[]
    const wanted = {
      DaemonSet: ['web', 1, 1, 1, 1, 1, '<none>', '0s'],
      ReplicaSet: ['web', 1, 1, 1, '0s'],
      StatefulSet: ['web', '1/1', '0s'],
    }[kind]
    t.strictSame(cells.slice(0, wanted.length), wanted, kind)
  }
  const { object, row } = await withObjects(
    t,
    `apiVersion: v1
kind: ReplicationController
metadata: {name: rc}
spec: {template: {metadata: {labels: {app: rc}}, spec: {containers: [{name: c, image: i}]}}}
`,
  )
  const url = '/api/v1/namespaces/default/replicationcontrollers/rc'
  t.strictSame(
    await row(url),
    ['rc', 1, 0, 0, '0s', 'c', 'i', 'app=rc'],
    'nobody runs it',
  )
  t.match(await object(url), { spec: { selector: { app: 'rc' } } })
})

t.test('Jobs and CronJobs', async t => {
  const { set, object, row, record } = await withObjects(
    t,
    `${job('good')}${job('bad')}${job('not-run', '')}---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {schedule: '0 3 * * *', jobTemplate: {spec: {template: {metadata: {annotations: {podfs.io/run: "true"}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}}
`,
  )
  const state = async (name: string) =>
    ((await row(`${batch}/jobs/${name}`)) as unknown[]).slice(0, 3)
  t.strictSame(await state('good'), ['good', 'Running', '0/1'])
  set('good', 'Succeeded')
  set('bad', 'Failed')
  const rules = {
    completions: 1,
    isIndexed: false,
    backoffLimit: 0,
    suspend: false,
    failureRules: [],
  }
  const progress = {
    startTime: 0,
    succeeded: 0,
    failed: 0,
    failuresInRow: 0,
    index: 0,
    failedIndexes: [],
  }
  const told = { rules, isSuspended: false, endTime: 60_000 }
  record.job(objectKey('Job', 'default', 'good'), {
    ...told,
    progress: { ...progress, succeeded: 1, failed: 2 },
    end: { type: 'Complete', reason: 'CompletionsReached', message: 'done' },
  })
  record.job(objectKey('Job', 'default', 'bad'), {
    ...told,
    progress: { ...progress, failed: 1 },
    end: { type: 'Failed', reason: 'BackoffLimitExceeded', message: 'often' },
  })
  t.strictSame(await state('good'), ['good', 'Complete', '1/1'])
  t.strictSame(await state('bad'), ['bad', 'Failed', '0/1'])
  t.strictSame(await state('not-run'), ['not-run', 'Suspended', '0/1'])
  const good = await object(`${batch}/jobs/good`)
  t.strictSame(part(good, 'status'), {
    ready: 0,
    startTime: '1970-01-01T00:00:00Z',
    succeeded: 1,
    failed: 2,
    completionTime: '1970-01-01T00:01:00Z',
    conditions: ['SuccessCriteriaMet', 'Complete'].map(type => ({
      type,
      status: 'True',
      lastProbeTime: '1970-01-01T00:01:00Z',
      lastTransitionTime: '1970-01-01T00:01:00Z',
      reason: 'CompletionsReached',
      message: 'done',
    })),
    uncountedTerminatedPods: {},
  })
  t.match(part(await object(`${batch}/jobs/bad`), 'status'), {
    conditions: [{ type: 'FailureTarget' }, { type: 'Failed' }],
  })
  const pod = await object('/api/v1/namespaces/default/pods/good')
  const selector = part(part(part(good, 'spec'), 'selector'), 'matchLabels')
  t.match(part(part(pod, 'metadata'), 'labels'), selector)
  set('nightly', 'Running', true)
  record.job(objectKey('CronJob', 'default', 'nightly'), {
    rules,
    isSuspended: false,
    progress: { ...progress, startTime: apiNow, scheduledTime: apiNow },
  })
  const cells = (await row(`${batch}/cronjobs/nightly`)) as unknown[]
  t.strictSame(cells.slice(0, 6), [
    'nightly',
    '0 3 * * *',
    '<none>',
    'False',
    1,
    '0s',
  ])
})

t.test('a Service, and the address that it has here', async t => {
  const text = `apiVersion: v1
kind: Service
metadata: {name: web, labels: {a: b}}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
`
  const { object, row, store, record } = await withObjects(t, text)
  const url = '/api/v1/namespaces/default/services/web'
  t.strictSame(await row(url), [
    'web',
    'NodePort',
    '<none>',
    '<none>',
    '80:30080/TCP',
    '0s',
    'app=web',
  ])
  t.match(await object(url), {
    kind: 'Service',
    spec: { ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }] },
  })
  t.match(await object('/api/v1/services?labelSelector=a%3Dc'), {
    items: { length: 0 },
  })
  store.replace(
    'other.yaml',
    readManifest(text, 'other.yaml', { namespace: 'default' }).objects,
  )
  t.match(store.conflicts(), [{ key: 'Service/default/web' }])
  record.services([
    {
      namespace: 'default',
      name: 'web',
      ip: '127.1.1.1',
      ports: [{ protocol: 'TCP', port: 80 }],
      endpoints: [{ ip: '127.2.2.2', targets: [80] }],
    },
  ])
  t.match(await object(url), {
    spec: { clusterIP: '127.1.1.1', clusterIPs: ['127.1.1.1'] },
    status: { endpoints: ['127.2.2.2:80'] },
  })
  record.services([])
  t.notHas(part(await object(url), 'spec'), { clusterIP: String })
})

t.test('a watch tells of a Pod that gets ready, once', async t => {
  const { set, open, object } = await withObjects(t, ofApps('Deployment'))
  const { metadata } = await object(`${apps}/deployments`)
  const { resourceVersion } = metadata as JsonObject
  const watch = await open(
    `${apps}/deployments?watch=1&resourceVersion=${resourceVersion as string}`,
  )
  set('web', 'Running')
  set('web', 'Running', true)
  set('web', 'Running', true)
  set('web', 'Running', false)
  let seen = ''
  for await (const chunk of watch) {
    seen += String(chunk)
    if ((seen.match(/\n/g) ?? []).length >= 2) break
  }
  t.strictSame(
    seen
      .trim()
      .split('\n')
      .map(
        line =>
          part(part(JSON.parse(line) as JsonObject, 'object'), 'status')[
            'readyReplicas'
          ],
      ),
    [1, 0],
  )
})
