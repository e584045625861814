import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import {
  killRootedProcesses,
  MountNamespace,
} from '../../src/linux/rooted-processes.ts'
import { systemClock } from '../../src/util/clock.ts'
import { cannotMount } from '../helpers/fuse-mount.ts'
import { isRunning } from '../helpers/podfs.ts'

const skip = await cannotMount()

/** A process whose root is a tmpfs of this name, in a mount namespace of its own. */
async function startRooted(t: Test, name: string) {
  const script = `mount -t tmpfs ${name} /mnt
cd /mnt; mkdir host; pivot_root . host; echo ready; read -r end; echo over`
  const child = spawn('unshare', ['--mount', 'sh', '-c', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

t.test('only who has that root is killed', { skip }, async t => {
  const ended = await startRooted(t, 'podfs-a-1')
  ended.kill('SIGKILL')
  await once(ended, 'close')
  // The kernel gives this one the numbers of the one that has ended.
  const other = await startRooted(t, 'podfs-a-11')
  const own = await startRooted(t, 'podfs-a-1')
  const gone = once(own, 'close')
  await killRootedProcesses(({ source }) => source === 'podfs-a-1', systemClock)
  t.strictSame(await gone, [null, 'SIGKILL'])
  t.ok(isRunning(other.pid ?? 0))
})

t.test(
  'a namespace that is held has a number of its own',
  { skip },
  async t => {
    const first = await startRooted(t, 'podfs-b-1')
    const held = MountNamespace.hold(first.pid ?? 0)
    first.kill('SIGKILL')
    await once(first, 'close')
    const next = await startRooted(t, 'podfs-b-2')
    await killRootedProcesses(() => false, systemClock, held)
    t.ok(isRunning(next.pid ?? 0))
    held?.release()
    t.equal(MountNamespace.hold(first.pid ?? 0), undefined)
  },
)
