import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { mountsBelow } from '../../src/linux/mountinfo.ts'
import { unmountPath } from '../../src/linux/unmount-path.ts'
import { clearUnshownMounts } from '../../src/session/session-mounts.ts'
import {
  cannotMount,
  deadMount,
  makeTemporaryDirectory,
} from '../helpers/fuse-mount.ts'

const skip = await cannotMount()

t.test('of a session those that nobody sees are cleared', { skip }, async t => {
  const session = makeTemporaryDirectory(t)
  t.teardown(async () => {
    for (const { mountpoint } of (await mountsBelow(session)).toReversed())
      await unmountPath(mountpoint, { lazy: true })
  })
  const at = (name: string): string => path.join(session, name)
  for (const each of ['rw', 'again-unseen/rw', 'again-current/rw']) {
    mkdirSync(at(each), { recursive: true })
    await deadMount(at(each))
  }
  // A container that has not got another one yet would see what is beneath.
  mkdirSync(at('container'))
  execFileSync('mount', ['-n', '--bind', at('rw'), at('container')])
  await clearUnshownMounts(session, at('again-current'))
  t.strictSame(
    (await mountsBelow(session)).map(({ mountpoint }) => mountpoint).toSorted(),
    ['again-current/rw', 'container', 'rw'].map(at),
  )
  t.notOk(existsSync(at('again-unseen')))
})
