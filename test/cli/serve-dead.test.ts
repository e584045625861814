/*
 * All of podfs's processes but the shims are killed at once: the next `podfs serve` makes the
 * mount anew, and the Pods run on.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { cannotStart, isRoot, needsRoot } from '../helpers/capability.ts'
import { unmountPath } from '../../src/linux/unmount-path.ts'
import {
  eventually,
  podfs,
  podfsMounts,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import {
  configMap,
  end,
  holdersOf,
  killAtOnce,
  mountsOf,
  pod,
  textOf,
  world,
} from '../helpers/served-world.ts'

t.setTimeout(240_000)
const skip = cannotStart()

t.test('the Pods run on', { skip }, async t => {
  const seen = path.join(t.testdirName, 'seen')
  const command = `echo born >>${seen}; last=
while :; do
  read -r now </v/key 2>/dev/null || now=
  [ "$now" = "$last" ] || echo "now $now" >>${seen}; last=$now; sleep 0.02
done`
  const files = (value: string): string =>
    configMap('a', `{key: "${value}\\n"}`) +
    pod('p', '{name: v, configMap: {name: a}}', {
      run: 'true',
      command,
      mounts: '{name: v, mountPath: /v}',
    })
  const { start, write, text, root } = world(t, { 'a.yaml': files('one') })
  let serving = await start()
  const directory = `${runtimeDirectory}/serve-${serving.pid}`
  const lines = (): string[] => (textOf(seen) ?? '').trim().split('\n')
  await eventually(() => lines().at(-1) === 'now one')
  for (const value of ['two', 'three']) {
    const before = mountsOf(directory)
    const all = await holdersOf(directory)
    killAtOnce([serving.pid, ...all])
    await serving.ended
    write('a.yaml', files(value))
    serving = await start()
    t.equal(text('default/configmaps/a/key'), `${value}\n`)
    await eventually(() => lines().at(-1) === `now ${value}`)
    t.ok(existsSync(directory), 'its session goes on')
    await eventually(() => {
      const { mount, tree } = mountsOf(directory)
      return mount !== before.mount && tree !== before.tree
    })
  }
  t.equal(lines().filter(line => line === 'born').length, 1)
  await end(t, serving)
  t.strictSame(podfsMounts(), [])
  t.notOk(existsSync(directory))
  t.notOk(existsSync(root))
})

t.test('what a killed podfs has begun is taken away', { skip }, async t => {
  const { start, root } = world(t, { 'a.yaml': configMap('a', '{key: one}') })
  const first = await start()
  const directory = `${runtimeDirectory}/serve-${first.pid}`
  await eventually(() => readdirSync(directory).includes('api.sock'))
  first.child.kill('SIGSTOP')
  const before = readdirSync(directory)
  killAtOnce(await holdersOf(directory))
  first.child.kill('SIGCONT')
  // As soon as there is another mount, and before it is known to be shown.
  await eventually(() =>
    readdirSync(directory).some(
      name =>
        name.startsWith('again-') &&
        !before.includes(name) &&
        existsSync(path.join(directory, name, 'keeper.pid')),
    ),
  )
  first.child.kill('SIGKILL')
  await first.ended
  const next = await start()
  // What nobody has seen does not wait for the end.
  await eventually(() => {
    // An ordinary user's tree is seen by all at once, and what was begun of it goes at the end.
    if (!isRoot) return true
    const shown = Object.values(mountsOf(directory)).map(each =>
      path.basename(each),
    )
    return readdirSync(directory)
      .filter(name => name.startsWith('again-'))
      .every(name => shown.includes(name))
  })
  await end(t, next)
  t.strictSame(podfsMounts(), [])
  t.notOk(existsSync(directory))
  t.notOk(existsSync(root))
})

const skipMount = skip || needsRoot('mount')
t.test(
  'what containers alone do not see is told',
  { skip: skipMount },
  async t => {
    const files = (value: string): string =>
      configMap('a', `{key: ${value}}`) +
      pod('p', '{name: v, configMap: {name: a}}', {
        run: 'true',
        mounts: '{name: v, mountPath: /v}',
      })
    const { start, write, text, root, configure } = world(t)
    // Its mount is not made anew meanwhile.
    configure('backend: dir')
    write('a.yaml', files('one'))
    const serving = await start()
    const volume = `${runtimeDirectory}/serve-${serving.pid}/rw/run/1/v`
    const get = async (what: string): Promise<string> =>
      (await podfs(t, ['get', what, '-o', 'wide', '--session', root])).stdout
    await eventually(async () => / Running /.test(await get('pods')))
    execFileSync('mount', ['-n', '--bind', volume, volume])
    let isOver = false
    t.teardown(async () => {
      if (!isOver) await unmountPath(volume, { lazy: true })
    })
    execFileSync('mount', ['-n', '-o', 'remount,bind,ro', volume])
    write('a.yaml', files('two'))
    await eventually(() => text('default/configmaps/a/key') === 'two')
    const words = /the containers do not see it as it is: EROFS/
    await eventually(async () => words.test(await get('volumes')))
    t.match(await get('events'), words)
    await unmountPath(volume, { lazy: true })
    isOver = true
    await eventually(async () => !words.test(await get('volumes')))
    await end(t, serving)
  },
)
