/*
 * The time of day is set while podfs runs. faketime(1)'s library does it to podfs alone, with
 * the clocks that nobody can set left as they are.
 */
import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import { capability } from '../helpers/capability.ts'
import { cannotMount } from '../helpers/fuse-mount.ts'
import { eventually, podfsMounts, startPodfs } from '../helpers/podfs.ts'

t.setTimeout(120_000)
const skip = (await cannotMount()) || capability('faketime')
const jumps = ['+1d', '-2d', '+400d', '+0']

/** The environment of a podfs whose time of day is the real one and what `file` says. */
function settable(t: Test) {
  const file = path.join(t.testdir({ time: '+0' }), 'time')
  const command = ['-f', '+0', 'sh', '-c', 'echo $LD_PRELOAD']
  const library = execFileSync('faketime', command, { encoding: 'utf8' })
  return {
    set: (jump: string) => writeFile(file, `${jump}\n`),
    env: {
      // That for programs with threads.
      LD_PRELOAD: library.trim().replace(/faketime\.so/, 'faketimeMT.so'),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  }
}

const configMap = (colour: string) => `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: ${colour}}
`

t.test('a mount follows its files, whatever the time', { skip }, async t => {
  const { set, env } = settable(t)
  const dir = t.testdir({ 'settings.yaml': configMap('before') })
  const [file, mountpoint] = ['settings.yaml', 'mnt'].map(name =>
    path.join(dir, name),
  ) as [string, string]
  const args = ['mount', '-f', file, '--configmap', 'settings', mountpoint]
  const serving = startPodfs(t, args, { env })
  await serving.saw(/ready/)
  for (const jump of jumps) {
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
    t.ok(took < 5000, `${jump}: ${took.toFixed(0)} ms`)
  }
  serving.child.kill('SIGTERM')
  t.match(await serving.ended, { code: 0, stderr: '' })
  t.strictSame(podfsMounts(), [])
})

for (const jump of ['+1d', '-2d'])
  t.test(`a grace period and a back-off across ${jump}`, { skip }, async t => {
    const { set, env } = settable(t)
    const file = path.join(
      t.testdir({
        'pod.yaml': `apiVersion: v1
kind: Pod
metadata: {name: stubborn}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: stays
    image: localhost/busybox
    command: [/bin/sh, -c, 'trap "echo asked" TERM; echo up; while :; do sleep 0.1; done']
  - name: restarts
    image: localhost/busybox
    command: [/bin/sh, -c, 'echo again; sleep 0.2; exit 1']
`,
      }),
      'pod.yaml',
    )
    const run = startPodfs(t, ['run', '-f', file], { env })
    await run.saw(/up$/m)
    await run.saw(/again$/m)
    await set(jump)
    // The second start follows the first death at once, the third one 10 s later.
    await run.saw(/again[^]*again[^]*again$/m)
    run.child.kill('SIGTERM')
    await run.saw(/asked$/m)
    const at = performance.now()
    await set('+0')
    await run.ended
    const took = performance.now() - at
    t.ok(took > 1000 && took < 8000, `ended after ${took.toFixed(0)} ms`)
    t.strictSame(podfsMounts(), [])
  })
