/*
 * A promise of podfs's that is rejected and that nobody waits for, and other mistakes in podfs
 * itself: they are told, and end no mount and no Pod.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { cannotStart, needsRoot } from '../helpers/capability.ts'
import {
  eventually,
  isRunning,
  podfs,
  startPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import { configMap, end, pod, textOf, world } from '../helpers/served-world.ts'

t.setTimeout(120_000)
const skip = cannotStart()

const rejecting = {
  hasDefect: true,
  env: {
    NODE_OPTIONS: `--require ${JSON.stringify(path.resolve('test/fixtures/rejects-on-signal.cjs'))}`,
  },
}

t.test(
  'it is told once, with its stack, and the mount goes on',
  { skip },
  async t => {
    const dir = t.testdir({ conf: { colour: 'blue' } })
    const conf = path.join(dir, 'conf')
    const mountpoint = path.join(dir, 'mnt')
    const mounted = startPodfs(t, ['mount', conf, mountpoint], rejecting)
    await mounted.saw(/ready/)
    mounted.child.kill('SIGWINCH')
    const [told] = await mounted.saw(
      /^internal error: ENOTEMPTY.*rmdir 'a'\n +at .*\n/m,
      'stderr',
    )
    t.match(told, 'rejects-on-signal.cjs')
    mounted.child.kill('SIGWINCH')
    writeFileSync(path.join(conf, 'colour'), 'green')
    await eventually(() => textOf(path.join(mountpoint, 'colour')) === 'green')
    mounted.child.kill('SIGTERM')
    const { code, stderr } = await mounted.ended
    t.equal(
      stderr.match(/^internal error/gm)?.length,
      1,
      'one line for all of them',
    )
    t.equal(code, 1, 'the exit code does not say that all went well')
    t.throws(() => readdirSync(mountpoint), { code: 'ENOENT' })
  },
)

t.test(
  'one of a pod shim is told through its podfs, and ends no Pod',
  { skip },
  async t => {
    const { dir, start } = world(t, {
      'a.yaml': pod('web', '', { run: 'true', command: 'echo up; sleep 1000' }),
    })
    // A shim gets nothing of NODE_OPTIONS.
    const build = path.join(dir, 'build')
    cpSync('dist', build, { recursive: true })
    const bundle = path.join(build, 'pod-shim.bundle.cjs')
    const [defect, rest] = [
      readFileSync('test/fixtures/rejects-on-signal.cjs', 'utf8'),
      readFileSync(bundle, 'utf8'),
    ]
    writeFileSync(bundle, `${defect};${rest}`)
    const serving = await start({
      program: path.join(build, 'podfs.cjs'),
      hasDefect: true,
    })
    const session = ['--session', String(serving.pid)]
    const ask = async (...words: string[]): Promise<string> =>
      (await podfs(t, [...words, ...session])).stdout
    await eventually(async () => (await ask('logs', 'web')) === 'up\n')
    const shimFile = `${runtimeDirectory}/serve-${serving.pid}/pods/run/1/shim.json`
    const shim = JSON.parse(textOf(shimFile) ?? '') as { pid: number }
    process.kill(shim.pid, 'SIGWINCH')
    await serving.saw(/ERROR internal error .*ENOTEMPTY/, 'stderr')
    t.match(await ask('get', 'pods'), /1\/1 +Running +0 /)
    t.ok(isRunning(shim.pid))
    await end(t, serving)
  },
)

t.test('a test that starts such a podfs fails', { skip }, async t => {
  const dir = t.testdir({ conf: { colour: 'blue' } })
  const args = ['mount', path.join(dir, 'conf'), path.join(dir, 'mnt')]
  let undo: (() => Promise<void> | void) | undefined
  const silent = {
    teardown: (handler: typeof undo) => (undo = handler),
    passing: () => true,
  }
  const mounted = startPodfs(silent as never, args, { env: rejecting.env })
  await mounted.saw(/ready/)
  mounted.child.kill('SIGWINCH')
  await mounted.saw(/^internal error/m, 'stderr')
  await t.rejects(async () => undo?.(), { message: /has a defect/ })
})

t.test(
  'what a run of a Pod has left and cannot be removed is in the way of nobody',
  { skip: skip || needsRoot('mount') },
  async t => {
    const web = pod('web', '{name: c, configMap: {name: a}}', {
      run: 'true',
      mounts: '{name: c, mountPath: /c}',
      command: 'cat /c/k; echo; sleep 1000',
    })
    const { dir, start, write } = world(t, {
      'a.yaml': configMap('a', '{k: one}') + web,
    })
    const log = async (wanted: string): Promise<unknown> =>
      await eventually(
        async () => (await podfs(t, ['logs', 'web'])).stdout === `${wanted}\n`,
      )
    const first = await start()
    const session = `${runtimeDirectory}/serve-${first.pid}`
    await log('one')
    const shimFile = path.join(session, 'pods/run/1/shim.json')
    const shim = JSON.parse(textOf(shimFile) ?? '') as { pid: number }
    first.child.kill('SIGKILL')
    await first.ended
    process.kill(shim.pid, 'SIGKILL')
    await eventually(() => !isRunning(shim.pid))
    // The kernel removes no directory that something is mounted at.
    const left = path.join(session, 'rw/run/1/c')
    mkdirSync(path.join(dir, 'empty'))
    execFileSync('mount', ['--bind', path.join(dir, 'empty'), left])
    t.teardown(() => spawnSync('umount', ['-l', left]))

    write('a.yaml', configMap('a', '{k: two}') + web)
    const next = await start()
    t.match(next.stderr(), /cannot be removed.*EBUSY/)
    await log('two')
    execFileSync('umount', [left])
    await end(t, next)
  },
)
