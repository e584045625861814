/*
 * What docs/cli.md promises for a file server that is stopped: podfs tells of it, and ends in
 * time. So that only that can be the reason, the server is kept from being replaced: what the
 * keeper waits for is stopped, too.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import {
  eventually,
  noteDetached,
  podfs,
  podfsMounts,
  startPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'

t.setTimeout(120_000)
const skip = cannotStart()

function world(t: Test) {
  const dir = t.testdir({
    conf: { colour: 'blue' },
    k8s: {
      'config.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: {colour: blue}
`,
      'pod.yaml': `apiVersion: v1
kind: Pod
metadata: {name: p, annotations: {podfs.io/run: "true"}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 1
  volumes: [{name: v, configMap: {name: config}}]
  containers:
  - name: c
    image: debian
    command: [sh, -c, 'echo up; trap exit TERM; while :; do cat /v/colour >/dev/null; sleep 0.1; done']
    volumeMounts: [{name: v, mountPath: /v}]
`,
    },
  })
  return {
    mountpoint: path.join(dir, 'mnt'),
    conf: path.join(dir, 'conf'),
    k8s: path.join(dir, 'k8s'),
    manifest: path.join(dir, 'k8s/config.yaml'),
  }
}

interface Child {
  readonly pid: number
  readonly words: readonly string[]
}

function childrenOf(pid: number): Child[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
    .trim()
    .split(' ')
    .map(Number)
    .flatMap(pid => {
      try {
        const text = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
        return [{ pid, words: text.split('\0') }]
      } catch {
        // It has ended meanwhile.
        return []
      }
    })
}

/** Stops the first server of a session's mount, and the keeper's stopwatch. */
async function stopServer(session: string): Promise<void> {
  const keeper = Number(
    readFileSync(`${runtimeDirectory}/${session}/keeper.pid`),
  )
  const server = childrenOf(keeper).find(({ words }) =>
    words.includes('active'),
  )
  process.kill(server?.pid as number, 'SIGSTOP')
  await freeze(keeper, '2')
}

async function freeze(keeper: number, seconds: string): Promise<void> {
  const stopwatch = await eventually(() =>
    childrenOf(keeper).find(
      ({ words }) => words[0] === 'sleep' && words[1] === seconds,
    ),
  )
  process.kill(stopwatch.pid, 'SIGSTOP')
}

t.test('podfs mount: told, and unmounted in time', { skip }, async t => {
  const { mountpoint, conf } = world(t)
  const running = startPodfs(t, ['mount', conf, mountpoint])
  await running.saw(/ready/)
  const keeper = Number(
    readFileSync(`${runtimeDirectory}/mount-${running.pid}/keeper.pid`),
  )
  const server = childrenOf(keeper).find(({ words }) =>
    words.includes('active'),
  )
  process.kill(server?.pid as number, 'SIGSTOP')
  const [line = ''] = await running.saw(/.*is stopped \(SIGSTOP\).*/, 'stderr')
  await freeze(keeper, '8')
  t.match(line, mountpoint, 'which mount')
  t.match(line, /another one takes its place/, 'and what podfs does')
  t.match(await podfs(t, ['unmount', mountpoint]), { code: 0, stderr: '' })
  t.equal((await running.ended).code, 0)
  t.strictSame(podfsMounts(), [])
  t.notOk(existsSync(mountpoint))
})

t.test('the unmount of what a killed podfs left', { skip }, async t => {
  const { mountpoint, conf } = world(t)
  const { stdout } = await podfs(t, ['mount', '--detach', conf, mountpoint])
  const pid = noteDetached(stdout)
  process.kill(pid, 'SIGKILL')
  await stopServer(`mount-${pid}`)
  t.match(await podfs(t, ['unmount', mountpoint]), { code: 0, stderr: '' })
  t.strictSame(podfsMounts(), [])
  t.notOk(existsSync(mountpoint))
})

t.test(
  'podfs serve, with something to publish and a Pod that reads',
  { skip },
  async t => {
    const { mountpoint, k8s, manifest } = world(t)
    const running = startPodfs(t, ['serve', '-f', k8s, '--root', mountpoint])
    await running.saw(/ready/)
    await stopServer(`serve-${running.pid}`)
    writeFileSync(
      manifest,
      readFileSync(manifest, 'utf8').replace('blue', 'red'),
    )
    t.match(await podfs(t, ['unmount', mountpoint]), { code: 0, stderr: '' })
    t.equal((await running.ended).code, 0)
    t.strictSame(podfsMounts(), [])
  },
)

t.test('podfs run', { skip }, async t => {
  const { k8s } = world(t)
  const running = startPodfs(t, ['run', '-f', k8s])
  await running.saw(/up/)
  await stopServer(`run-${running.pid}`)
  running.child.kill('SIGTERM')
  await running.ended
  t.strictSame(podfsMounts(), [])
  t.notOk(existsSync(`${runtimeDirectory}/run-${running.pid}`))
})
