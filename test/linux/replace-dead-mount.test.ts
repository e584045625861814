/*
 * A mount in the place of a dead one: whoever looks sees the one or the other.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Mount, readMountinfo } from '../../src/linux/mountinfo.ts'
import { openOrMake } from '../../src/linux/open-or-make.ts'
import { isInUserNamespace } from '../../src/session/user-namespace.ts'
import { runMountCommand } from '../../src/linux/run-mount-command.ts'
import { replaceDeadMount } from '../../src/linux/replace-dead-mount.ts'
import { unmountPath } from '../../src/linux/unmount-path.ts'
import {
  cannotMount,
  deadMount,
  makeTemporaryDirectory,
  mountForTest,
} from '../helpers/fuse-mount.ts'

const skip = await cannotMount()

function mountsAt(target: string): Mount[] {
  return readMountinfo().filter(({ mountpoint }) => mountpoint === target)
}

t.test('what cannot be mounted', { skip }, async t => {
  const directory = makeTemporaryDirectory(t)
  const target = path.join(directory, 'target')
  mkdirSync(target)
  await deadMount(target)
  t.teardown(() => unmountPath(target, { lazy: true }))
  const before = mountsAt(target)
  t.equal(before.length, 1)
  const bind = (source: string) =>
    replaceDeadMount(target, ['-n', '-o', 'bind,ro', '--', source])

  // As of a server that has died just now.
  const failed = await bind(path.join(directory, 'gone'))
  t.notOk(failed.ok)
  t.match(failed.message, /gone/)
  t.strictSame(
    mountsAt(target).map(({ id }) => id),
    before.map(({ id }) => id),
    'the directory beneath is not seen',
  )

  const source = path.join(directory, 'source')
  mkdirSync(source)
  t.ok((await bind(source)).ok)
  const [now, ...others] = mountsAt(target)
  t.strictSame(others, [])
  t.not(now?.type, 'fuse.podfs')
})

/** A mount whose keeper and servers are killed while its `v` is bound at a target. */
async function killedMount(t: Test) {
  const { mount, directory, root } = await mountForTest(t)
  const target = path.join(root, 'target')
  const source = path.join(root, 'source')
  for (const each of [`${mount.directory}/v`, target, source]) mkdirSync(each)
  writeFileSync(path.join(target, 'beneath'), '')
  writeFileSync(path.join(source, 'key'), 'new')
  await mount.bind('v', target)
  const { keeperPid } = mount
  const children = `/proc/${keeperPid}/task/${keeperPid}/children`
  const servers = readFileSync(children, 'utf8').trim().split(' ').map(Number)
  for (const pid of [keeperPid, ...servers]) process.kill(pid, 'SIGKILL')
  while (isAlive(target)) await delay(5)
  return { target, source, lost: path.join(directory, 'rw', 'v') }
}

t.test('that somebody opens before he knows', { skip }, async t => {
  const { target, source, lost } = await killedMount(t)
  // The kernel asks nobody about an open(2).
  await (await openOrMake(lost)).close()
  const args = ['-n', '-o', 'bind', '--', source, target]
  t.strictSame(await runMountCommand('mount', args), { ok: true, message: '' })
  t.equal(readFileSync(path.join(target, 'key'), 'utf8'), 'new')
  await unmountPath(target)
})

// user_namespaces(7).
const locks =
  isInUserNamespace() && 'a mount cannot be bound without what is locked in it'

t.test(
  'over which nothing can be mounted',
  { skip: skip || locks },
  async t => {
    const { target, source, lost } = await killedMount(t)
    // As a writer that has not noticed yet.
    t.throws(() => mkdirSync(lost), { code: 'ENOTCONN' })

    const look = `echo looking; while :; do [ ! -e "$0/beneath" ] || echo seen; done`
    const watcher = spawn('sh', ['-c', look, target])
    let seen = ''
    watcher.stdout.setEncoding('utf8').on('data', text => (seen += text))
    await once(watcher.stdout, 'data')
    const args = ['-n', '-o', 'bind,ro,nosuid', '--', source]
    const replaced = await replaceDeadMount(target, args)
    watcher.kill('SIGKILL')
    await once(watcher, 'close')
    t.strictSame(replaced, { ok: true, message: '' })
    t.equal(seen, 'looking\n', 'the directory beneath is not seen')
    const [now, ...others] = mountsAt(target)
    t.strictSame(others, [])
    t.ok(now?.options.includes('ro'))
    t.equal(now?.propagation, 'private')
    t.equal(readFileSync(path.join(target, 'key'), 'utf8'), 'new')
    await unmountPath(target)
  },
)

function isAlive(directory: string): boolean {
  try {
    statfsSync(directory)
    return true
  } catch {
    return false
  }
}
