/*
 * More and fewer Pods of a workload, by `podfs scale` and by kubectl.
 */
import t from 'tap'
import { items, part, text, type JsonObject } from '../../src/api/json.ts'
import { capability } from '../helpers/capability.ts'
import { kubectl, tcpTo } from '../helpers/kubectl.ts'
import '../helpers/needs-mounts.ts'
import {
  eventually,
  podfs,
  startPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import { configMap, end, world } from '../helpers/served-world.ts'

t.setTimeout(300_000)

const waits = 'trap exit TERM; cat /cfg/colour; sleep 1000 & wait'

const workload = (kind: string, name: string, spec = ''): string => `---
apiVersion: apps/v1
kind: ${kind}
metadata: {name: ${name}}
spec:
  ${spec}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}, annotations: {podfs.io/run: "true"}}
    spec:
      terminationGracePeriodSeconds: 0
      automountServiceAccountToken: false
      volumes: [{name: cfg, configMap: {name: cfg}}]
      containers:
      - name: c
        image: busybox
        command: [sh, -c, ${JSON.stringify(waits)}]
        volumeMounts: [{name: cfg, mountPath: /cfg}]
`
const service = `---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 80}]}
`
const input = [
  workload('StatefulSet', 'db', 'serviceName: db'),
  workload('Deployment', 'web', 'replicas: 3'),
  configMap('cfg', '{colour: "blue\\n"}'),
].join('')

t.test('podfs run', async t => {
  const dir = t.testdir({ 'all.yaml': input + service })
  const run = startPodfs(t, ['run', '-f', dir, '--all'])
  await run.saw(/web\/c +\| blue/)
  const session = `run-${run.pid}`
  const said = (...args: readonly string[]) =>
    podfs(t, [...args, '--session', session])
  t.match(await said('scale', 'deploy/web', 'sts/db', '--replicas', '3'), {
    code: 0,
    stdout: 'deployment.apps/web scaled\nstatefulset.apps/db scaled\n',
    stderr: '',
  })
  await run.saw(/^db-2\/c +\| blue/m)
  t.match(run.stdout(), /^db-1\/c +\| blue[^]*^db-2\/c +\| blue/m, 'in turn')
  const shown = async (...args: readonly string[]): Promise<string> =>
    (await said('get', ...args)).stdout
  await eventually(async () =>
    / db +3\/3 /.test(` ${await shown('sts', '--no-headers')}`),
  )
  await eventually(async () =>
    /^web +3\/3 +3 +3 /.test(await shown('deploy', '--no-headers')),
  )
  const addresses = async (): Promise<number> =>
    (
      (await said('describe', 'svc', 'db')).stdout.match(/127\.[\d.]+:80/g) ??
      []
    ).length
  await eventually(async () => (await addresses()) === 3)
  t.match(await said('logs', 'db-1'), { stdout: 'blue\n' })

  const uids = async (): Promise<readonly string[]> => {
    const { stdout } = await said('get', 'pods', '-l', 'app=web', '-o', 'json')
    return items(JSON.parse(stdout) as JsonObject, 'items').map(pod =>
      text(part(pod, 'metadata')['uid']),
    )
  }
  const before = await uids()
  t.equal(before.length, 3)
  t.match(await said('rollout', 'restart', 'deploy/web'), { code: 0 })
  await eventually(async () => {
    const now = await uids()
    return now.length === 3 && now.every(uid => !before.includes(uid))
  })

  t.match(
    await said('scale', 'sts/db', '--replicas=1', '--current-replicas=2'),
    { code: 1, stderr: 'error: Expected replicas to be 2, was 3\n' },
  )
  for (const [args, code, stderr] of [
    [
      ['sts/db', '--replicas=1000'],
      1,
      /spec.replicas: Invalid value: 1000: must be less than or equal to 110/,
    ],
    [['sts/nope', '--replicas=1'], 1, /statefulsets.apps "nope" not found/],
    [['svc/db', '--replicas=1'], 2, /^error: services cannot be scaled\n/],
    [['sts/db'], 2, /^error: the --replicas=COUNT flag is required/],
    [
      ['sts/db', '--replicas=x'],
      2,
      /^error: --replicas: not a number of Pods: x/,
    ],
  ] as const)
    t.match(await said('scale', ...args), { code, stderr })

  t.match(
    await said('scale', 'sts/db', '--replicas=1', '--current-replicas=3'),
    { code: 0 },
  )
  await run.saw(
    /StatefulSet default\/db is scaled down: ending Pod default\/db-1/,
    'stderr',
  )
  t.match(
    run.stderr(),
    /ending Pod default\/db-2[^]*ending Pod default\/db-1/,
    'the last one first',
  )
  await eventually(async () => !/db-[12]/.test(await shown('pods')))
  await eventually(async () => (await addresses()) === 1)
  run.child.kill('SIGINT')
  t.match(await run.ended, { code: 130 })
})

t.test('kubectl scale', { skip: capability('kubectl') }, async t => {
  const dir = t.testdir({ 'all.yaml': input })
  const run = startPodfs(t, ['run', '-f', dir, 'deploy/web'])
  await run.saw(/blue/)
  await podfs(t, ['get', 'pods', '--session', `run-${run.pid}`])
  const server = await tcpTo(t, `${runtimeDirectory}/run-${run.pid}/api.sock`)
  const scale = (...args: readonly string[]) =>
    kubectl(server, ['scale', 'deploy/web', ...args])
  t.match(await scale('--replicas=2'), {
    code: 0,
    stdout: 'deployment.apps/web scaled\n',
  })
  await run.saw(/^web-\w{5}\/c +\| blue/m)
  t.match(await scale('--replicas=1', '--current-replicas=3'), {
    code: 1,
    stderr: /Expected replicas to be 3, was 2/,
  })
  t.match(await scale('--replicas=1', '--current-replicas=2'), { code: 0 })
  await run.saw(/is scaled down: ending Pod default\/web-\w{5}/, 'stderr')
  t.match(await scale('--replicas=0'), { code: 0 })
  t.match(await run.ended, { code: 0 }, 'podfs run ends with the last Pod')
})

t.test('podfs serve, and the next one', async t => {
  const w = world(t, { 'all.yaml': input })
  let serving = await w.start()
  const said = (...args: readonly string[]) =>
    podfs(t, [...args, '--session', w.root])
  t.match(await said('scale', 'sts/db', 'deploy/web', '--replicas=2'), {
    code: 0,
  })
  const pids = async (): Promise<string> =>
    (
      await said(
        'get',
        'pods',
        '-o',
        'jsonpath={range .items[*]}{.metadata.name}={.status.containerStatuses[0].pid} {end}',
      )
    ).stdout
  const all = /^db-0=\d+ db-1=\d+ web=\d+ web-\w{5}=\d+ $/
  const before = await eventually(async () => {
    const now = await pids()
    return all.test(now) && now
  })
  t.equal(w.text('default/pods/db-1/cfg/colour'), 'blue\n', 'volumes, too')
  serving.child.kill('SIGKILL')
  await serving.ended
  serving = await w.start()
  t.equal(
    await eventually(async () => {
      const now = await pids()
      return all.test(now) && now
    }),
    before,
    'they are untouched',
  )
  t.match(await said('scale', 'deploy/web', '--replicas=0'), { code: 0 })
  await eventually(async () => !(await pids()).includes('web'))
  serving.child.kill('SIGUSR2')
  await serving.ended
  serving = await w.start()
  t.match((await said('get', 'deploy', '--no-headers')).stdout, /^web +0\/0 /)
  t.match(await said('scale', 'deploy/web', '--replicas=1'), { code: 0 })
  await eventually(async () =>
    /^db-0=\d+ db-1=\d+ web=\d+ $/.test(await pids()),
  )
  await end(t, serving)
})
