import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import {
  podfs,
  podfsMounts,
  startPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import '../helpers/needs-mounts.ts'

const forever = (words: string) =>
  `trap "echo bye; exit 0" TERM; ${words}; while :; do sleep 1000 & wait; done`

const pod = (name: string, script: string, more = '') => `apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}, tier: front}}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: busybox
    command: [sh, -c, '${script}']
    volumeMounts: [{name: info, mountPath: /info}]
  volumes: [{name: info, downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}]
${more}`

const job = (name: string, script: string) => `apiVersion: batch/v1
kind: Job
metadata: {name: ${name}}
spec:
  backoffLimit: 0
  template:
    metadata: {labels: {tier: back}}
    spec:
      restartPolicy: Never
      containers: [{name: main, image: busybox, command: [sh, -c, '${script}']}]
`

const whoAmI =
  'echo "I am $(cat /info/name) $(hostname) $(tail -n 1 /etc/hosts)"'

t.test(
  '--all: every Pod, each with its own names, volumes and address',
  async t => {
    const dir = t.testdir({
      'web.yaml': pod('web', forever(whoAmI)),
      'long-name.yaml': pod('long-name', forever(whoAmI)),
    })
    const run = startPodfs(t, ['run', '-f', dir, '--all'])
    const [, webIP] = await run.saw(
      /^web\/main {7}\| I am web web (127\.\S+)\tweb$/m,
    )
    const [, otherIP] = await run.saw(
      /^long-name\/main \| I am long-name long-name (127\.\S+)\tlong-name$/m,
    )
    t.not(webIP, otherIP)
    const session = JSON.parse(
      await readFile(`${runtimeDirectory}/run-${run.pid}/session.json`, 'utf8'),
    ) as { pods: unknown }
    t.strictSame(session.pods, {
      'default/long-name': otherIP,
      'default/web': webIP,
    })

    // One more file, one less; the last Pod's end is that of podfs.
    await writeFile(path.join(dir, 'new.yaml'), pod('new', 'echo here'))
    await run.saw(/^new\/main {7}\| here$/m)
    await run.saw(/^podfs: Pod default\/new is new: starting it$/m, 'stderr')
    await run.saw(/^podfs: Pod default\/new has ended$/m, 'stderr')
    await rm(path.join(dir, 'long-name.yaml'))
    await run.saw(/^long-name\/main \| bye$/m)
    await run.saw(
      /^podfs: Pod default\/long-name is gone from its files: ending it\npodfs: Pod default\/long-name has ended$/m,
      'stderr',
    )
    t.notMatch(run.stdout(), /web\/main +\| bye/)
    await rm(path.join(dir, 'web.yaml'))
    const { code, stderr } = await run.ended
    t.equal(code, 0, stderr)
    t.match(stderr, /^podfs: every Pod has ended$/m)
    t.notOk(existsSync(`${runtimeDirectory}/run-${run.pid}`))
    t.strictSame(podfsMounts(), [])
  },
)

t.test('CronJobs are left out, unless they are named', async t => {
  const cronJob = (name: string, script: string) => `apiVersion: batch/v1
kind: CronJob
metadata: {name: ${name}}
spec:
  schedule: '0 3 * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: main, image: busybox, command: [sh, -c, '${script}']}]
`
  const dir = t.testdir({
    'web.yaml': pod('web', forever('echo up')),
    'cron.yaml': `${cronJob('backup', forever('echo backup'))}---\n${cronJob('report', 'echo report')}`,
  })
  const run = startPodfs(t, ['run', '-f', dir, '--all', 'cronjob/backup'])
  await run.saw(/^web\/main +\| up$/m)
  await run.saw(/^backup-?\S*\/main +\| backup$/m)
  await run.saw(
    /^podfs: CronJob default\/report is left out; to run it at once, add cronjob\/report$/m,
    'stderr',
  )
  // One that comes is no other.
  await writeFile(path.join(dir, 'new.yaml'), cronJob('late', 'echo late'))
  await run.saw(/CronJob default\/late is left out/, 'stderr')
  run.child.kill('SIGTERM')
  const { code, stdout } = await run.ended
  t.equal(code, 143)
  t.notMatch(stdout, /report|late/)
})

t.test('Ctrl-C ends them all, side by side', async t => {
  // Each one waits in its end for the other: one after the other would take the whole grace.
  const dir = t.testdir()
  const both = (own: string, other: string) =>
    `cd "${dir}"; trap "touch ${own}; until test -e ${other}; do sleep 0.05; done; echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done`
  await writeFile(
    path.join(dir, 'pods.yaml'),
    `${pod('a', both('a', 'b'))}---\n${pod('b', both('b', 'a'))}`,
  )
  const run = startPodfs(t, ['run', '-f', dir, '--all'])
  await run.saw(/^a\/main \| up$/m)
  await run.saw(/^b\/main \| up$/m)
  run.child.kill('SIGINT')
  const { code, stdout, stderr } = await run.ended
  t.equal(code, 130)
  t.match(stdout, /^a\/main \| bye$/m)
  t.match(stdout, /^b\/main \| bye$/m)
  t.equal(stderr.match(/terminating, up to 30 s/g)?.length, 1)
  t.strictSame(podfsMounts(), [])
})

t.test('by name, by label, and what fails', async t => {
  const input = [
    pod('web', 'echo web'),
    job('migrate', 'echo migrate; exit 3'),
    job('seed', 'echo seed'),
  ].join('---\n')
  const cases: readonly {
    readonly args: readonly string[]
    readonly code: number
    readonly output: readonly string[]
    readonly error?: string
  }[] = [
    { args: ['pod/web'], code: 0, output: ['main | web'] },
    {
      args: ['job/seed', 'web'],
      code: 0,
      output: ['seed/main | seed', 'web/main  | web'],
    },
    {
      args: ['-l', 'tier in (back)'],
      code: 1,
      output: ['migrate/main | migrate', 'seed/main    | seed'],
      error:
        'error: Job default/migrate has failed: Job has reached the specified backoff limit; Pod default/migrate has failed: container main: exit code 3\n',
    },
    {
      args: ['-l', 'tier in back'],
      code: 2,
      output: [],
      error:
        "error: -l 'tier in back': unable to parse requirement: found 'back' expected: '('\n",
    },
    {
      args: [],
      code: 2,
      output: [],
      error:
        'error: there are 3 Pods in the input\n  name one of them: migrate, seed, web\n',
    },
    {
      args: ['web', '--all'],
      code: 2,
      output: [],
      error: 'error: --all cannot be used when Pods are named: web\n',
    },
    {
      args: ['--all', '-l', 'app'],
      code: 2,
      output: [],
      error: 'error: cannot set --all and --selector at the same time\n',
    },
  ]
  for (const { args, code, output, error } of cases) {
    const title = args.join(' ')
    const ended = await podfs(t, ['run', '-f', '-', ...args], { input })
    t.equal(ended.code, code, `${title}\n${ended.stderr}`)
    t.strictSame(
      ended.stdout
        .split('\n')
        .filter(line => line !== '')
        .sort(),
      output,
      title,
    )
    if (error !== undefined) t.ok(ended.stderr.includes(error), ended.stderr)
  }
  t.strictSame(podfsMounts(), [])
})

t.test(
  'a Pod that is no longer selected ends, one that becomes so starts',
  async t => {
    const dir = t.testdir({
      'a.yaml': pod('a', forever('echo up')),
      'b.yaml': pod('b', forever('echo up')),
    })
    const file = path.join(dir, 'b.yaml')
    const relabel = async (tier: string) =>
      await writeFile(file, pod('b', forever('echo up')).replace('front', tier))
    await relabel('back')
    const run = startPodfs(t, ['run', '-f', dir, '-l', 'tier=front'])
    await run.saw(/^main \| up$/m)
    await relabel('front')
    await run.saw(/^b\/main \| up$/m)
    await relabel('back')
    await run.saw(/^b\/main \| bye$/m)
    await run.saw(
      /^podfs: Pod default\/b is no longer selected: ending it$/m,
      'stderr',
    )
    await relabel('front')
    await run.saw(/^b\/main \| bye\nb\/main \| up$/m)
    run.child.kill('SIGTERM')
    t.equal((await run.ended).code, 143)
  },
)

t.test('an unknown image among several: nothing is started', async t => {
  const { code, stdout, stderr } = await podfs(t, ['run', '-f', '-', '--all'], {
    input: `${pod('a', 'echo a')}---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cache}
spec:
  selector: {matchLabels: {app: cache}}
  template:
    metadata: {labels: {app: cache}}
    spec:
      containers: [{name: c, image: "registry:5000/team/node:20@sha256:abc"}]
`,
  })
  t.equal(code, 1)
  t.equal(stdout, '')
  t.equal(
    stderr,
    `error: stdin:21:30: Deployment default/cache: spec.template.spec.containers[0].image: no program of this machine is known for the image "registry:5000/team/node:20@sha256:abc"
  --image 'registry:5000/team/node:20@sha256:abc=node'
error: an image is unknown; nothing was started
`,
  )
})
