/*
 * `podfs mount` where something dead is mounted: what is podfs's goes, what is another's stays.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { escapeMountPath } from '../../src/linux/mountinfo.ts'
import { shellWord } from '../../src/util/shell-word.ts'
import { cannotMount, deadMount } from '../helpers/fuse-mount.ts'
import { podfs, podfsMounts, startPodfs } from '../helpers/podfs.ts'

t.setTimeout(240_000)
const skip = await cannotMount()

function mountsAt(at: string): number {
  const escaped = escapeMountPath(at)
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter(line => line.split(' ')[4] === escaped).length
}

function world(t: Test, name = 'mnt') {
  const dir = t.testdir({ conf: { key: 'value' } })
  const mountpoint = path.join(dir, name)
  mkdirSync(mountpoint)
  return { dir, mountpoint, conf: path.join(dir, 'conf') }
}

for (const stacked of [1, 2])
  t.test(`${stacked} dead of podfs, no session left`, { skip }, async t => {
    const { mountpoint, conf } = world(t)
    for (let n = 0; n < stacked; n++) await deadMount(mountpoint, 'fuse.podfs')
    t.equal(mountsAt(mountpoint), stacked)
    const serving = startPodfs(t, ['mount', conf, mountpoint])
    await serving.saw(/ready/)
    t.match(serving.stderr(), /a dead mount is here; it is cleared away/)
    t.equal(mountsAt(mountpoint), 1, 'nothing dead is beneath')
    t.equal(readFileSync(path.join(mountpoint, 'key'), 'utf8'), 'value')
    serving.child.kill('SIGTERM')
    t.equal((await serving.ended).code, 0)
    t.equal(mountsAt(mountpoint), 0)
  })

t.test('podfs unmount clears them away, too', { skip }, async t => {
  const { mountpoint } = world(t)
  for (let n = 0; n < 2; n++) await deadMount(mountpoint, 'fuse.podfs')
  t.match(await podfs(t, ['unmount', mountpoint]), { code: 0 })
  t.equal(mountsAt(mountpoint), 0)
})

t.test('a dead mount that is another’s is left alone', { skip }, async t => {
  const { mountpoint, conf } = world(t)
  await deadMount(mountpoint, 'fuse.sshfs')
  t.match(await podfs(t, ['mount', conf, mountpoint]), {
    code: 1,
    stdout: '',
    stderr: `error: ${mountpoint} is a dead mount that is not podfs's: other, type fuse.sshfs\n  umount --lazy ${shellWord(mountpoint)}\n`,
  })
  t.equal(mountsAt(mountpoint), 1)
  t.match(await podfs(t, ['unmount', mountpoint]), { code: 2 })
  t.equal(mountsAt(mountpoint), 1)
  execFileSync('umount', ['-l', mountpoint])
})

for (const name of ['-a b', 'new\nline\\ü'])
  t.test(`a mount point ${JSON.stringify(name)}`, { skip }, async t => {
    const { dir, mountpoint, conf } = world(t, name)
    symlinkSync(mountpoint, path.join(dir, 'link'))
    await deadMount(mountpoint, 'fuse.podfs')
    const serving = startPodfs(t, ['mount', conf, `./${name}`], { cwd: dir })
    await serving.saw(/ready/)
    t.match(await podfs(t, ['mount', conf, 'link'], { cwd: dir }), {
      code: 1,
      stderr: /already served/,
    })
    serving.child.kill('SIGKILL')
    await serving.ended
    const next = startPodfs(t, ['mount', conf, 'link'], { cwd: dir })
    await next.saw(/ready/)
    t.equal(mountsAt(mountpoint), 1)
    t.equal(podfsMounts().length, 2)
    t.match(await podfs(t, ['unmount', 'link'], { cwd: dir }), { code: 0 })
    t.equal((await next.ended).code, 0)
    t.equal(mountsAt(mountpoint), 0)
    t.ok(existsSync(mountpoint))
  })
