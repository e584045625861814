import { rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import { eventually, podfs, podfsMounts, startPodfs } from '../helpers/podfs.ts'
import '../helpers/needs-mounts.ts'

/*
 * The files of a running Pod change. Each script prints what the test waits for; nothing here
 * waits for a time to pass.
 */

const script = (words: string) =>
  `trap "echo bye from ${words}; exit 0" TERM; echo hello from ${words}; sleep 1000 & wait`

const pod = (words: string, more = '') => `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  ${more}
  containers:
  - name: c
    image: busybox
    command: [sh, -c, '${script(words)}']
`

/** The Pod as kubectl would see it; times in seconds, whole ones. */
async function shown(t: Test, pid: number) {
  const [uid, created = '', started = '', restarts] = await eventually(
    async () => {
      const { stdout } = await podfs(t, [
        'get',
        'pod',
        'p',
        '--session',
        String(pid),
        '-o',
        'jsonpath={.metadata.uid} {.metadata.creationTimestamp} {.status.startTime} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].state.running}',
      ])
      // Its container runs.
      const words = stdout.trim().split(' ')
      return words.length > 4 && words
    },
  )
  return {
    uid,
    created: Date.parse(created),
    started: Date.parse(started),
    restarts,
  }
}

async function save(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

t.test(
  'a change of the spec: the old one ends, the new one starts',
  async t => {
    const dir = t.testdir({ 'pod.yaml': pod('one') })
    const file = path.join(dir, 'pod.yaml')
    const run = startPodfs(t, ['run', '-f', file])
    await run.saw(/^c \| hello from one$/m)
    const first = await shown(t, run.pid)
    await save(file, pod('two'))
    await run.saw(/^c \| hello from two$/m)
    const second = await shown(t, run.pid)
    t.not(second.uid, first.uid, 'another Pod')
    t.ok(second.created >= first.started, 'as old as its start')
    t.ok(second.started >= second.created)
    t.equal(second.restarts, '0')
    t.match(
      run.stderr(),
      /^podfs: Pod default\/p changed \(spec\.containers\[0\]\.command\[2\]\): restarting it$/m,
    )
    t.match(
      run.stdout(),
      /hello from one\nc \| bye from one\nc \| hello from two\n/,
      'one after the other',
    )

    // Nothing but another place and a comment.
    await save(file, `# a comment\n\n${pod('two')}`)
    await save(
      file,
      pod(
        'three',
        'hostname: x\n  terminationGracePeriodSeconds: 9\n  subdomain: sub\n  setHostnameAsFQDN: true',
      ),
    )
    await run.saw(/^c \| hello from three$/m)
    t.match(run.stderr(), / and 2 more\): restarting it$/m, 'the first fields')
    t.equal(run.stderr().match(/restarting it/g)?.length, 2)

    await rm(file)
    const { code, stderr } = await run.ended
    t.equal(code, 0, 'gone from its files: ended in peace')
    t.match(
      stderr,
      /^podfs: Pod default\/p is gone from its files: ending it$/m,
    )
    t.match(run.stdout(), /bye from three/)
    t.strictSame(podfsMounts(), [])
  },
)

t.test(
  'of several changes during a termination the last one counts',
  async t => {
    const dir = t.testdir()
    const file = path.join(dir, 'pod.yaml')
    // It ends when the test says so.
    const wait = `until test -e ${dir.replaceAll(' ', '\\ ')}/go; do sleep 0.05; done; exit 0`
    await save(file, pod('one').replace('exit 0', wait))
    const run = startPodfs(t, ['run', '-f', file])
    await run.saw(/hello from one/)
    await save(file, pod('two'))
    await run.saw(/bye from one/)
    // The warnings tell that a version has been read.
    await save(file, pod('three', 'schedulerName: mine'))
    await run.saw(/^warning: .*schedulerName/m, 'stderr')
    await save(file, pod('four', 'schedulerName: x'))
    await run.saw(/^warning: .*schedulerName/m, 'stderr')
    await writeFile(path.join(dir, 'go'), '')
    await run.saw(/hello from four/)
    t.notMatch(run.stdout(), /hello from two/)
    t.equal(run.stderr().match(/restarting it/g)?.length, 1)
  },
)

t.test('a mistake, or an unknown image: the old one keeps running', async t => {
  const dir = t.testdir({ 'pod.yaml': pod('one') })
  const file = path.join(dir, 'pod.yaml')
  const run = startPodfs(t, ['run', '-f', file])
  await run.saw(/hello from one/)
  await save(file, pod('two', 'restartPolicy: Sometimes'))
  await run.saw(
    /^error: .*pod\.yaml:5:3: Pod default\/p: spec\.restartPolicy: Unsupported value/m,
    'stderr',
  )
  await save(file, 'a: [')
  await run.saw(/^error: .*: not YAML/m, 'stderr')
  await save(
    file,
    pod('two').replace(
      /image: busybox\n.*/,
      'image: shop/web:1\n    args: [--port, "80"]',
    ),
  )
  await run.saw(/^podfs: .*pod\.yaml: no mistakes any more$/m, 'stderr')
  await run.saw(
    /^error: .*pod\.yaml:8:5: Pod default\/p: spec\.containers\[0\]\.image: no program of this machine is known for the image "shop\/web:1"\n {2}--image 'shop\/web:1=COMMAND'/m,
    'stderr',
  )
  t.equal(run.stdout(), 'c | hello from one\n')
  await save(file, pod('three'))
  await run.saw(/bye from one\nc \| hello from three/)
})

t.test('Ctrl-C during a restart ends podfs', async t => {
  const dir = t.testdir({ 'pod.yaml': pod('one').replace('exit 0', ': ') })
  const file = path.join(dir, 'pod.yaml')
  const run = startPodfs(t, ['run', '-f', file])
  await run.saw(/hello from one/)
  await save(file, pod('two'))
  await run.saw(/bye from one/)
  run.child.kill('SIGINT')
  await run.saw(/terminating/, 'stderr')
  run.child.kill('SIGINT')
  const { code, stdout } = await run.ended
  t.equal(code, 130)
  t.notMatch(stdout, /hello from two/)
  t.strictSame(podfsMounts(), [])
})
