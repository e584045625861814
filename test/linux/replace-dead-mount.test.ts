/*
 * A mount in the place of a dead one: whoever looks sees the one or the other.
 */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { type Mount, readMountinfo } from '../../src/linux/mountinfo.ts'
import { replaceDeadMount } from '../../src/linux/replace-dead-mount.ts'
import { unmountPath } from '../../src/linux/unmount-path.ts'
import {
  cannotMount,
  deadMount,
  makeTemporaryDirectory,
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
