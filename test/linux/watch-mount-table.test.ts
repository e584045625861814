import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { needsNamespace } from '../helpers/capability.ts'
import { watchMountTable } from '../../src/linux/watch-mount-table.ts'
import { mountAt } from '../../src/linux/mountinfo.ts'
import { makeTemporaryDirectory, until } from '../helpers/fuse-mount.ts'

const skip = needsNamespace()

/** What of util-linux waits for this process. */
function watchers(): number[] {
  return readFileSync(
    `/proc/${process.pid}/task/${process.pid}/children`,
    'latin1',
  )
    .trim()
    .split(' ')
    .map(Number)
    .filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/comm`, 'latin1') === 'findmnt\n'
      } catch {
        return false
      }
    })
}

/** It has read the table and sleeps: nobody looks any more by a timer. */
async function waits(): Promise<number> {
  let found: number | undefined
  await until(() => {
    found = watchers().find(pid => {
      try {
        return readdirSync(`/proc/${pid}/fd`).includes('3')
      } catch {
        // For a moment of its exec it is root's, whoever this is.
        return false
      }
    })
    return found !== undefined
  }, 'findmnt')
  // Two looks of the timer.
  await new Promise(resolve => setTimeout(resolve, 2500))
  return found as number
}

function world(t: Test) {
  const point = join(makeTemporaryDirectory(t), 'point')
  mkdirSync(point)
  const mount = (): void => {
    execFileSync('mount', ['-t', 'tmpfs', 'podfs-test', point])
  }
  const unmount = (...args: string[]): void => {
    execFileSync('umount', [...args, point])
  }
  let isMounted = false
  const unwatch = watchMountTable(() => {
    void mountAt(point).then(there => (isMounted = there !== undefined))
  })
  t.teardown(unwatch)
  return { point, mount, unmount, isMounted: () => isMounted, unwatch }
}

t.test('what is mounted and unmounted is told', { skip }, async t => {
  const { point, mount, unmount, isMounted } = world(t)
  await waits()
  for (const args of [[], ['-l']]) {
    mount()
    await until(isMounted, 'the mount')
    const held = args.length > 0 ? join(point, '.') : undefined
    const before = process.cwd()
    if (held !== undefined) process.chdir(held)
    unmount(...args)
    await until(() => !isMounted(), 'its end')
    process.chdir(before)
  }
})

t.test(
  'one process waits for all, and ends with the last',
  { skip },
  async t => {
    const one = world(t)
    const two = world(t)
    const pid = await waits()
    t.strictSame(watchers(), [pid])
    one.unwatch()
    two.mount()
    await until(two.isMounted, 'the mount')
    two.unmount()
    two.unwatch()
    await until(() => watchers().length === 0, 'its end')
  },
)

t.test('when that process is killed it is looked', { skip }, async t => {
  const { mount, unmount, isMounted } = world(t)
  const pid = await waits()
  process.kill(pid, 'SIGKILL')
  mount()
  await until(isMounted, 'the mount')
  unmount()
  await until(() => !isMounted(), 'its end')
})
