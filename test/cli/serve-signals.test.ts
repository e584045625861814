/*
 * What signals do to `podfs serve`, and what systemd is told meanwhile, on a real datagram
 * socket (sd_notify(3)).
 */
import { statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart, capability } from '../helpers/capability.ts'
import { Inotify } from '../helpers/inotify.ts'
import {
  openNotifySocket,
  type NotifySocket,
} from '../helpers/notify-socket.ts'
import { eventually, isRunning, podfs, podfsMounts } from '../helpers/podfs.ts'
import { configMap, end, pod, world } from '../helpers/served-world.ts'

t.setTimeout(240_000)
const skip =
  cannotStart() || capability('systemd-notify') || capability('python3')

let names = 0

/** A socket for sd_notify, and the environment of who is to use it. */
async function notifySocket(t: Test) {
  names += 1
  const address = `@podfs-serve-signals-${process.pid}-${names}`
  const socket = await openNotifySocket(t, address)
  return { socket, env: { NOTIFY_SOCKET: address } }
}

/** The next assignments that are no line of status. */
async function next(socket: NotifySocket): Promise<readonly string[]> {
  for (;;) {
    const { assignments } = await socket.next()
    if (!assignments[0]?.startsWith('STATUS=')) return assignments
  }
}

const reloading = ['RELOADING=1', /^MONOTONIC_USEC=\d+$/]

/** Its Pod ends when the file `end` in `dir` has come. */
function lingering(dir: string): string {
  return pod('lingers', '', {
    run: 'true',
    command: `cd "${dir}"; trap 'while [ ! -e end ]; do sleep 0.02; done; exit' TERM; echo $$ >pid; while :; do sleep 0.02; done`,
  }).replace('GracePeriodSeconds: 0', 'GracePeriodSeconds: 600')
}

t.test('systemd is told of start, reload and stop', { skip }, async t => {
  const { socket, env } = await notifySocket(t)
  const { start, configure, text, root, dir, write } = world(t, {
    'a.yaml': configMap('a', '{key: value}'),
  })
  const starting = start({ env })
  t.same(await next(socket), ['READY=1'])
  t.equal(text('default/configmaps/a/key'), 'value', 'published by then')
  const serving = await starting

  await t.test('SIGHUP', async t => {
    configure('logLevel: info')
    serving.child.kill('SIGHUP')
    t.match(await next(socket), reloading)
    t.same(await next(socket), ['READY=1'])
  })
  await t.test('podfs reload', async t => {
    configure('logLevel: warn')
    t.match(await podfs(t, ['reload', '--session', root]), { code: 0 })
    t.match(await next(socket), reloading)
    t.same(await next(socket), ['READY=1'])
  })
  await t.test('a broken file: it is ready as before', async t => {
    configure('logLevel: loud')
    serving.child.kill('SIGHUP')
    t.match(await next(socket), reloading)
    t.same(await next(socket), ['READY=1'])
    await serving.saw(/podfs: the configuration stays as it was/, 'stderr')
    configure()
  })
  await t.test('several at once: one after the other', async t => {
    const reload = () => podfs(t, ['reload', '--session', root])
    await Promise.all([reload(), reload(), reload()])
    for (let i = 0; i < 3; i++) {
      t.match(await next(socket), reloading)
      t.same(await next(socket), ['READY=1'])
    }
  })
  await t.test('SIGTERM: it is told before the Pods have ended', async t => {
    write('lingers.yaml', lingering(dir))
    const pidFile = path.join(dir, 'pid')
    await eventually(async () => {
      const { stdout } = await podfs(t, ['get', 'pods', '--session', root])
      return /lingers +1\/1 +Running/.test(stdout)
    })
    await eventually(() => statSync(pidFile, { throwIfNoEntry: false }))
    serving.child.kill('SIGTERM')
    t.same(await next(socket), ['STOPPING=1', 'STATUS=stopping'])
    t.match(await podfs(t, ['get', 'pods', '--session', root]), {
      stdout: /lingers +1\/1 +Terminating/,
    })
    t.equal(
      text('default/configmaps/a/key'),
      'value',
      'the mount is there as long as a Pod is',
    )
    t.equal(isRunning(serving.pid), true)
    writeFileSync(path.join(dir, 'end'), '')
    t.equal((await serving.ended).code, 0)
    t.strictSame(podfsMounts(), [])
  })
})

t.test('SIGUSR2 leaves the mount to the next podfs', { skip }, async t => {
  const { socket, env } = await notifySocket(t)
  const { start, write, root, at, text } = world(t, {
    'a.yaml': configMap('a', '{key: one}'),
  })
  const first = await start({ env })
  t.same(await next(socket), ['READY=1'])
  const device = statSync(root).dev
  const inotify = new Inotify()
  t.teardown(() => inotify.close())
  inotify.watch(at('default/configmaps/a'))
  const held = await open(at('default/configmaps/a/key'))
  t.teardown(() => held.close())

  first.child.kill('SIGUSR2')
  t.match(await first.ended, { code: 0, signal: null })
  t.equal(text('default/configmaps/a/key'), 'one', 'it is served on')
  t.equal(statSync(root).dev, device)

  const second = await start()
  t.equal(statSync(root).dev, device, 'the same mount')
  t.strictSame(inotify.drain(), [], 'a volume that is right is left alone')
  write('a.yaml', configMap('a', '{key: two}'))
  await eventually(() => text('default/configmaps/a/key') === 'two')
  const { buffer } = await held.read(Buffer.alloc(3), 0, 3, 0)
  t.equal(buffer.toString(), 'one', 'an open file stays')
  await end(t, second)
  t.strictSame(podfsMounts(), [])
})
