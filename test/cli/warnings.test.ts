import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import { podfs, startPodfs } from '../helpers/podfs.ts'
import '../helpers/needs-mounts.ts'

/*
 * What is said at the start of what has no effect.
 */

const pod = (more: string): string => `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  runtimeClassName: x
${more}  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'echo started; exec sleep 1000']
    resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}]
`
const ingress = `---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: s}
`

/** The warnings of a `podfs run` that has started, and that is given an edit. */
async function warnings(t: Test, flags: readonly string[]): Promise<string[]> {
  const dir = t.testdir({ 'pod.yaml': pod('') + ingress })
  const run = startPodfs(t, ['run', '-f', dir, ...flags])
  await run.saw(/started/)
  run.child.kill('SIGINT')
  const { stderr } = await run.ended
  return stderr.split('\n').filter(line => line.startsWith('warning: '))
}

t.test('one line counts them', async t => {
  const dir = t.testdir({ 'pod.yaml': pod('') + ingress })
  const run = startPodfs(t, ['run', '-f', dir])
  await run.saw(
    /^warning: 3 fields or objects have no effect here; podfs validate -f .+ lists them, as -v does$/m,
    'stderr',
  )
  t.equal(run.stderr().match(/^warning: /gm)?.length, 1)
  await writeFile(path.join(dir, 'pod.yaml'), pod('  schedulerName: x\n'))
  await run.saw(/^warning: .*schedulerName: ignored/m, 'stderr')
})

t.test('-v: each', async t => {
  const lines = await warnings(t, ['-v'])
  t.equal(lines.length, 3)
  t.match(lines.join('\n'), /runtimeClassName[^]*resizePolicy[^]*Ingress s/)
})

t.test('--log-level error: none', async t => {
  t.strictSame(await warnings(t, ['--log-level', 'error']), [])
})

t.test('a mistake is told whatever the level', async t => {
  const dir = t.testdir({ 'pod.yaml': pod('  restartPolicy: Sometimes\n') })
  const { code, stderr } = await podfs(t, [
    'run',
    '-f',
    dir,
    '--log-level',
    'silent',
  ])
  t.equal(code, 1)
  t.match(stderr, /^error: .*restartPolicy: Unsupported value/m)
})

t.test('a log has plain lines only', async t => {
  const dir = t.testdir({ 'pod.yaml': pod('') + ingress })
  const run = startPodfs(t, ['run', '-f', dir, '--log-level', 'debug'])
  await run.saw(/started/)
  run.child.kill('SIGINT')
  const { stderr } = await run.ended
  const records = stderr
    .split('\n')
    .filter(line => !/^(error: |warning: |podfs: | {2}|$)/.test(line))
  t.ok(records.length > 0, 'there are some')
  for (const record of records)
    t.match(record, /^\d{4}-\d\d-\d\dT[\d:.]+Z [A-Z]+ \w[^{]*( \{".*\})?$/)
})
