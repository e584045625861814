/*
 * Pods that a scheduler would not put on this machine, beside one that it would: what is shown of
 * them is what a real cluster of one node showed.
 */
import path from 'node:path'
import { writeFile } from 'node:fs/promises'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { container, list, object, writer } from '../helpers/conformance-pod.ts'
import { eventually, podfs, startPodfs } from '../helpers/podfs.ts'

t.setTimeout(120_000)
const skip = cannotStart()

const says = [container('c', 'echo up; exec sleep 1000')]
const grace = { terminationGracePeriodSeconds: 0 }
const refused = (why: string): string =>
  `0/1 nodes are available: ${why}. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.`

const pods = (gates: readonly { readonly name: string }[]) =>
  list([
    object.pod(
      { name: 'gated' },
      { ...grace, containers: says, schedulingGates: gates, tolerations },
    ),
    object.pod(
      { name: 'nodeselector' },
      { ...grace, containers: says, nodeSelector: { a: 'b' }, tolerations },
    ),
    object.pod({ name: 'tainted' }, { ...grace, containers: says }),
    object.pod(
      { name: 'fits' },
      {
        ...grace,
        containers: says,
        nodeSelector: { disk: 'ssd' },
        tolerations,
      },
    ),
  ])
const tolerations = [{ key: 'dedicated', operator: 'Exists' }]

interface SeenPod {
  readonly spec: { readonly nodeName?: string }
  readonly status: {
    readonly conditions: readonly { readonly lastTransitionTime: string }[]
  }
}

t.test('what is not scheduled', { skip }, async t => {
  const dir = t.testdir()
  const write = writer(dir)
  await write('pods.json', pods([{ name: 'example.com/g' }]))
  const config = path.join(dir, 'podfs.yaml')
  await writeFile(
    config,
    'node:\n  labels: {disk: ssd}\n  taints: [{key: dedicated, value: gpu, effect: NoSchedule}]\n',
  )
  const file = path.join(dir, 'pods.json')
  const run = startPodfs(t, ['run', '--all', '-f', file, '--config', config])
  const session = ['--session', `run-${run.pid}`]
  const get = async (...args: string[]): Promise<string> => {
    const { stdout } = await podfs(t, ['get', ...args, ...session])
    return stdout
  }
  const seen = async (name: string): Promise<SeenPod> =>
    JSON.parse(await get('pod', name, '-o', 'json')) as SeenPod
  await run.saw(/^fits\/c +\| up$/m)
  const notScheduled = async (
    name: string,
    reason: string,
    message: string,
  ): Promise<void> => {
    const { spec, status } = await seen(name)
    const lastTransitionTime = status.conditions[0]?.lastTransitionTime
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason,
      message,
      // Of gates the API server tells, who leaves it out.
      ...(reason === 'Unschedulable' && { observedGeneration: 1 }),
      lastProbeTime: null,
      lastTransitionTime,
    }
    const expected = { phase: 'Pending', qosClass: 'BestEffort' }
    t.same(status, { ...expected, conditions: [condition] })
    t.equal(spec.nodeName, undefined)
  }

  await notScheduled(
    'gated',
    'SchedulingGated',
    'Scheduling is blocked due to non-empty scheduling gates',
  )
  const selector = refused(
    "1 node(s) didn't match Pod's node affinity/selector",
  )
  await notScheduled('nodeselector', 'Unschedulable', selector)
  const taint = refused('1 node(s) had untolerated taint {dedicated: gpu}')
  await notScheduled('tainted', 'Unschedulable', taint)

  const { stdout } = await podfs(t, [
    'describe',
    'pod',
    'nodeselector',
    ...session,
  ])
  t.match(stdout, /^Node: +<none>$/m)
  t.match(stdout, /^ {2}PodScheduled {3}False $/m)
  t.ok(stdout.includes(selector), 'an event')
  t.match(stdout, /^ {2}Warning {2}FailedScheduling /m)
  t.match(await get('pods'), /^gated +0\/1 +SchedulingGated +0 /m)
  t.match(await get('nodes', '-o', 'yaml'), 'effect: NoSchedule')

  await write('pods.json', pods([]))
  await run.saw(/^gated\/c +\| up$/m)
  t.notMatch(run.stderr(), /restarting/, 'in place')
  await eventually(async () =>
    /^gated +1\/1 +Running +0 /m.test(await get('pods')),
  )
  run.child.kill('SIGTERM')
  t.equal((await run.ended).code, 143)
})
