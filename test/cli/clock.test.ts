/*
 * The time of day is set while podfs runs: what podfs's own processes are told when they ask.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { eventually, podfsMounts, startPodfs } from '../helpers/podfs.ts'

t.setTimeout(120_000)
const skip = cannotStart()
const hours = [24, -48, 9600, 0]

/** The environment of a podfs whose time of day can be set, by hours from the real one. */
async function settable(dir: string) {
  const file = path.join(dir, 'clock')
  const preload = path.resolve('test/fixtures/set-clock.cjs')
  // Replaced, for whoever reads it meanwhile.
  const set = async (hours: number) => {
    await writeFile(`${file}.new`, String(hours))
    await rename(`${file}.new`, file)
  }
  await set(0)
  return {
    set,
    env: {
      PODFS_TEST_CLOCK: file,
      NODE_OPTIONS: `--require="${preload}"`,
    },
  }
}

const configMap = (colour: string) => `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: ${colour}}
`

t.test('a mount follows its files, whatever the time', { skip }, async t => {
  const dir = t.testdir({ 'settings.yaml': configMap('before') })
  const { set, env } = await settable(dir)
  const [file, mountpoint] = ['settings.yaml', 'mnt'].map(name =>
    path.join(dir, name),
  ) as [string, string]
  const args = ['mount', '-f', file, '--configmap', 'settings', mountpoint]
  const serving = startPodfs(t, args, { env })
  await serving.saw(/ready/)
  for (const jump of hours) {
    await set(jump)
    const at = performance.now()
    await writeFile(file, configMap(`after${jump}`))
    await eventually(
      async () =>
        (await readFile(path.join(mountpoint, 'colour'), 'utf8').catch(
          () => '',
        )) === `after${jump}`,
    )
    const took = performance.now() - at
    t.ok(took < 60_000, `${jump} hours: ${took.toFixed(0)} ms`)
  }
  serving.child.kill('SIGTERM')
  t.match(await serving.ended, { code: 0, stderr: '' })
  t.strictSame(podfsMounts(), [])
})

for (const jump of [24, -48])
  t.test(
    `a grace period and a back-off across ${jump} hours`,
    { skip },
    async t => {
      const dir = t.testdir({
        'pod.yaml': `apiVersion: v1
kind: Pod
metadata: {name: stubborn}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: stays
    image: localhost/busybox
    command: [/bin/sh, -c, 'trap "echo asked" TERM; echo up; while :; do sleep 1000 & wait; done']
  - name: restarts
    image: localhost/busybox
    command: [/bin/sh, -c, 'echo again; sleep 0.2; exit 1']
`,
      })
      const { set, env } = await settable(dir)
      const file = path.join(dir, 'pod.yaml')
      const run = startPodfs(t, ['run', '-f', file], { env })
      await run.saw(/up$/m)
      await run.saw(/again$/m)
      await set(jump)
      // The second start follows the first death at once, the third one 10 s later.
      await run.saw(/again[^]*again[^]*again$/m)
      run.child.kill('SIGTERM')
      await run.saw(/asked$/m)
      const at = performance.now()
      await set(0)
      await run.ended
      const took = performance.now() - at
      t.ok(took > 1000 && took < 60_000, `ended after ${took.toFixed(0)} ms`)
      t.strictSame(podfsMounts(), [])
    },
  )
