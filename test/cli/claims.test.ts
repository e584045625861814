import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import {
  container,
  object,
  writer,
  type Json,
} from '../helpers/conformance-pod.ts'
import {
  podfs,
  podfsMounts,
  startPodfs,
  stateDirectory,
} from '../helpers/podfs.ts'

/* A claim is a directory that outlives its Pod. */

t.setTimeout(90_000)

const directory = (namespace: string) => `${stateDirectory}/claims/${namespace}`

/** A namespace of the test's own, whose claims go with it. */
function namespaceOf(t: Test, name: string): string {
  const namespace = `podfs-test-${process.pid}-${name}`
  t.teardown(() => rm(directory(namespace), { recursive: true, force: true }))
  return namespace
}

function pod(script: string, source: Json, more: Json = {}): Json {
  return object.pod(
    {},
    {
      containers: [
        container('main', script, {
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        }),
      ],
      volumes: [{ name: 'data', persistentVolumeClaim: source }],
      ...more,
    },
  )
}

t.test('a claim is kept from run to run', { skip: cannotStart() }, async t => {
  const namespace = namespaceOf(t, 'kept')
  const dir = t.testdir()
  const run = async (script: string, source: Json, more?: Json) => {
    await writer(dir)('pod.json', pod(script, source, more))
    return await podfs(t, ['run', '-f', dir, '-n', namespace])
  }
  const claim = { claimName: 'my-data' }
  const first = await run(
    'stat -c %a:%g /data; echo kept > /data/file',
    claim,
    {
      securityContext: { fsGroup: 2000 },
    },
  )
  t.match(first, {
    code: 0,
    stdout: 'main | 2777:2000\n',
    stderr: `podfs: claim ${namespace}/my-data is kept in ${directory(namespace)}/my-data\n`,
  })
  const second = await run(
    'cat /data/file; { echo > /data/x; } 2>/dev/null || echo read-only',
    { ...claim, readOnly: true },
  )
  t.match(second, { code: 0, stdout: 'main | kept\nmain | read-only\n' })
  t.strictSame(podfsMounts(), [])
})

t.test('a StatefulSet has its own', { skip: cannotStart() }, async t => {
  const namespace = namespaceOf(t, 'set')
  const dir = t.testdir()
  await writer(dir)('set.json', {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db' },
    spec: {
      serviceName: 'db',
      selector: { matchLabels: { app: 'db' } },
      template: {
        metadata: { labels: { app: 'db' } },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            container('main', 'echo x > /data/file; echo done; sleep 1000000', {
              volumeMounts: [{ name: 'data', mountPath: '/data' }],
            }),
          ],
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: {
            accessModes: ['ReadWriteOnce'],
            resources: { requests: { storage: '1Gi' } },
          },
        },
      ],
    },
  })
  const run = startPodfs(t, ['run', '-f', dir, '-n', namespace])
  await run.saw(/done/)
  run.child.kill('SIGTERM')
  await run.ended
  t.ok(existsSync(`${directory(namespace)}/data-db-0/file`), 'and keeps it')
})

t.test('a claim that cannot exist', { skip: cannotStart() }, async t => {
  const namespace = namespaceOf(t, 'none')
  const dir = t.testdir()
  await writer(dir)('pod.json', pod('true', { claimName: '../../x' }))
  const run = startPodfs(t, ['run', '-f', dir, '-n', namespace])
  await run.saw(/persistentvolumeclaim "\.\.\/\.\.\/x" not found/, 'stderr')
  t.notOk(existsSync(`${stateDirectory}/x`))
  await writer(dir)('pod.json', pod('true', { claimName: '' }))
  await run.saw(
    /spec\.volumes\[0\]\.persistentVolumeClaim\.claimName: Required value/,
    'stderr',
  )
})
