import { once } from 'node:events'
import { existsSync, statfsSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { FuseMount } from '../../src/fuse/mount/mount.ts'
import { mountsBelow } from '../../src/linux/mountinfo.ts'
import { stopAbandonedMount } from '../../src/fuse/mount/stop-abandoned-mount.ts'
import { startDaemon } from '../helpers/fuse-daemon.ts'
import { formatEvents, Inotify } from '../helpers/inotify.ts'
import {
  cannotMount,
  isAlive,
  mountForTest,
  nextServer,
  standbyOf,
  swap,
  until,
} from '../helpers/fuse-mount.ts'

const skip = await cannotMount()

async function killKeeper(mount: FuseMount): Promise<void> {
  const keeper = mount.keeperPid
  process.kill(keeper, 'SIGKILL')
  const took = await until(() => mount.keeperPid !== keeper, 'a keeper')
  t.comment(`another keeper after ${took.toFixed(0)} ms`)
}

t.test('a killed keeper is replaced, nothing lost', { skip }, async t => {
  const { mount, publicPath, root, directory } = await mountForTest(t)
  await swap(mount.directory, 0, { key: 'value 0' })
  const held = await open(join(publicPath, 'key'))
  t.teardown(() => held.close())
  const inotify = new Inotify()
  t.teardown(() => inotify.close())
  inotify.watch(publicPath)
  const pids = new Set<number>()
  const events: string[] = []
  const rounds = 6
  for (let round = 1; round <= rounds; round++) {
    const server = await nextServer(mount, undefined)
    pids.add(mount.keeperPid)
    for (const pid of [server, await standbyOf(mount)]) pids.add(pid)
    await killKeeper(mount)
    // The old server, the change to its successor, and the successor.
    for (const ms of [0, 200, 400]) {
      await delay(ms)
      await swap(mount.directory, round * 1000 + ms, { key: `value ${round}` })
      events.push(...formatEvents(inotify.drain()))
      t.ok(statfsSync(publicPath))
    }
    await nextServer(mount, server)
    t.equal(await readFile(join(publicPath, 'key'), 'utf8'), `value ${round}`)
  }
  t.strictSame(
    events,
    Array.from({ length: rounds * 3 }, () => [
      'CREATE,ISDIR ..ts1',
      'CREATE ..data_tmp',
      'MOVED_FROM ..data_tmp',
      'MOVED_TO ..data',
      'DELETE,ISDIR ..ts2',
    ]).flat(),
  )
  t.equal((await held.readFile()).toString(), 'value 0', 'an open file stays')
  await mount.stop()
  for (const pid of pids) t.notOk(await isAlive(pid), `${pid} has ended`)
  t.strictSame(await mountsBelow(root), [])
  t.notOk(existsSync(directory))
})

t.test(
  'a keeper killed before there is a standby is replaced',
  { skip },
  async t => {
    const { mount, publicPath } = await mountForTest(t)
    await nextServer(mount, undefined)
    await killKeeper(mount)
    t.ok(statfsSync(publicPath))
    await swap(mount.directory, 1, { key: 'value' })
  },
)

t.test('a mount that follows another one stays', { skip }, async t => {
  // The kernel gives it the device number of the one before.
  for (let round = 1; round <= 3; round++) {
    const before = await mountForTest(t)
    const { device } = before.mount
    await before.mount.stop()
    const { mount, publicPath } = await mountForTest(t)
    await swap(mount.directory, 1, { key: 'value' })
    // What ends with the one before does so within that time.
    await delay(1000)
    t.equal(
      await readFile(join(publicPath, 'key'), 'utf8'),
      'value',
      `${device}, ${mount.device}`,
    )
    await mount.bind('', publicPath)
  }
})

t.test('keeper and server killed, the standby lives', { skip }, async t => {
  const { mount, publicPath } = await mountForTest(t)
  await swap(mount.directory, 1, { key: 'value' })
  const server = await nextServer(mount, undefined)
  await standbyOf(mount)
  const keeper = mount.keeperPid
  process.kill(keeper, 'SIGKILL')
  process.kill(server, 'SIGKILL')
  t.ok(statfsSync(publicPath))
  await nextServer(mount, server)
  t.not(mount.keeperPid, keeper)
  t.equal(await readFile(join(publicPath, 'key'), 'utf8'), 'value')
})

t.test('stopped while its keeper is being replaced', { skip }, async t => {
  const { mount, root, directory } = await mountForTest(t)
  await standbyOf(mount)
  process.kill(mount.keeperPid, 'SIGKILL')
  await mount.stop()
  t.strictSame(await mountsBelow(root), [])
  t.notOk(existsSync(directory))
})

for (const lifetime of ['run', 'detach'] as const)
  t.test(`daemon and keeper killed (${lifetime})`, { skip }, async t => {
    const daemon = await startDaemon(t, lifetime)
    await delay(2000) // a standby is there
    daemon.process.kill('SIGKILL')
    process.kill(daemon.keeperPid, 'SIGKILL')
    await once(daemon.process, 'exit')
    if (lifetime === 'detach') {
      t.equal(await readFile(join(daemon.publicPath, 'key'), 'utf8'), 'value 1')
      await until(() => stopAbandonedMount(daemon.directory), 'the next keeper')
    }
    await until(
      async () =>
        (await mountsBelow(daemon.root)).length === 0 &&
        !existsSync(daemon.directory),
      'all is gone',
    )
    t.pass('all is gone')
  })
