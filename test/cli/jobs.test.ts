/*
 * Jobs of the input with real processes: tries, deadlines, completions, what is told of them, and
 * a `podfs serve` that is killed between two tries.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { eventually, podfs, startPodfs } from '../helpers/podfs.ts'
import { end, world } from '../helpers/served-world.ts'

t.setTimeout(380_000)
const skip = cannotStart()

const job = (name: string, directory: string, script: string, spec = '') => `---
apiVersion: batch/v1
kind: Job
metadata: {name: ${name}}
spec:
  ${spec}
  template:
    metadata: {annotations: {podfs.io/run: "true"}}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      automountServiceAccountToken: false
      containers:
      - name: c
        image: debian
        command: [sh, -c, ${JSON.stringify(script)}]
        volumeMounts: [{name: d, mountPath: /d}]
      volumes: [{name: d, hostPath: {path: ${directory}}}]
`

/** Fails the first two times, and says which time it is. */
const fails = (times: number) =>
  `n=$(cat /d/n 2>/dev/null || echo 0); echo $((n+1)) >/d/n; echo "try $n"; [ $n -ge ${times} ] || exit 3`

async function run(t: Test, manifest: (directory: string) => string) {
  const dir = t.testdir({ d: {} })
  const file = path.join(dir, 'job.yaml')
  writeFileSync(file, manifest(path.join(dir, 'd')))
  return await startPodfs(t, ['run', '-f', file], {
    env: { PODFS_BACKOFF_SCALE: '0.01' },
  }).ended
}

t.test('a Job that fails twice and then succeeds', { skip }, async t => {
  const { code, stdout, stderr } = await run(t, directory =>
    job('flaky', directory, fails(2)),
  )
  t.equal(code, 0, stderr)
  t.equal(stdout, 'c | try 0\nc | try 1\nc | try 2\n')
  t.match(
    stderr,
    /^podfs: Job default\/flaky: Pod default\/flaky has failed: container c: exit code 3; another one in 200ms$/m,
  )
})

t.test('a Job that fails', { skip }, async t => {
  const { code, stderr } = await run(t, directory =>
    job('bad', directory, 'exit 3', 'backoffLimit: 1'),
  )
  t.equal(code, 1)
  t.match(
    stderr,
    /^error: Job default\/bad has failed: Job has reached the specified backoff limit; Pod default\/bad has failed: container c: exit code 3$/m,
  )
})

t.test('a deadline ends a Job that would go on', { skip }, async t => {
  const { code, stderr } = await run(t, directory =>
    job('long', directory, 'exec sleep 1000', 'activeDeadlineSeconds: 1'),
  )
  t.equal(code, 1)
  t.match(stderr, /Job default\/long has failed: Job was active longer than/)
})

t.test('completions, one index after the other', { skip }, async t => {
  const { code, stdout, stderr } = await run(t, directory =>
    job(
      'many',
      directory,
      'echo $JOB_COMPLETION_INDEX $(hostname)',
      'completionMode: Indexed\n  completions: 3',
    ),
  )
  t.equal(code, 0, stderr)
  t.equal(stdout, 'c | 0 many-0\nc | 1 many-1\nc | 2 many-2\n')
})

t.test(
  'podfs serve: a CronJob runs on its schedule, and once for each time',
  { skip },
  async t => {
    const made = world(t)
    made.write(
      'cron.yaml',
      job('tick', made.dir, 'echo tick >>/d/ticks')
        .replace('kind: Job', 'kind: CronJob')
        .replace(
          /spec:\n[^]*/,
          spec =>
            `spec:\n  schedule: "@every 1s"\n  jobTemplate:\n${spec.replace(/^/gm, '    ')}`,
        ),
    )
    const first = await made.start()
    await first.saw(
      /completed[^]*CronJob default\/tick has completed/,
      'stderr',
    )
    const session = ['--session', made.root]
    const cells = await podfs(t, ['get', 'cronjobs', ...session])
    t.match(cells.stdout, /^tick +@every 1s +<none> +False +[01] +\d+s/m)
    first.child.kill('SIGKILL')
    await first.ended
    const second = await made.start()
    // What the podfs before has left is told of once more.
    await second.saw(
      /completed[^]*CronJob default\/tick has completed/,
      'stderr',
    )
    await end(t, second)
    const ticks = made.text('../ticks')?.trim().split('\n').length ?? 0
    t.ok(ticks >= 3)
  },
)

t.test('podfs serve: what a Job has done outlives podfs', { skip }, async t => {
  const made = world(t)
  const { dir, write, configure } = made
  configure('backoffScale: 0.3')
  const script = `${fails(2)}; until [ -e /d/go ]; do sleep 0.1; done`
  write('job.yaml', job('flaky', dir, script))
  const first = await made.start()
  // Between the first try, which is known by then, and the second one.
  await first.saw(/another one in 3s/, 'stderr')
  first.child.kill('SIGKILL')
  await first.ended
  const second = await made.start()
  const session = ['--session', made.root]
  const status = async (jsonpath: string): Promise<string> =>
    (
      await podfs(t, [
        'get',
        'job',
        'flaky',
        ...session,
        '-o',
        `jsonpath=${jsonpath}`,
      ])
    ).stdout
  await eventually(
    async () => (await status('{.status.active}{.status.failed}')) === '12',
  )
  const previous = await podfs(t, ['logs', '-p', 'job/flaky', ...session])
  t.equal(previous.stdout, 'try 1\n', previous.stderr)
  writeFileSync(path.join(dir, 'go'), '')
  await eventually(async () => (await status('{.status.succeeded}')) === '1')
  t.equal(await status('{.status.failed}'), '2', 'those of the podfs before')
  const { stdout } = await podfs(t, ['get', 'jobs', ...session])
  t.match(stdout, /^flaky +Complete +1\/1 /m)
  const described = await podfs(t, ['describe', 'job', 'flaky', ...session])
  t.match(described.stdout, /SuccessfulCreate .*Created pod: flaky/)
  t.match(described.stdout, /Completed .*Job completed/)
  second.child.kill('SIGKILL')
  await second.ended
  const third = await made.start()
  await eventually(async () => (await status('{.status.succeeded}')) === '1')
  t.match(await podfs(t, ['get', 'pods', ...session]), {
    stdout: /^flaky +0\/1 +Completed/m,
  })
  await end(t, third)
  const kept = made.text('../n')
  t.equal(kept, '3\n', 'it has run three times')
})
