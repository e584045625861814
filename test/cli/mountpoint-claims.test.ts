/* What keeps two podfs from one mount point is nobody else's to take, and is never stale. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  unlinkSync,
} from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import {
  claimMountpoint,
  sweepClaims,
} from '../../src/session/claim-mountpoint.ts'
import { processesBelow } from '../../bench/memory.ts'
import { buildFixture } from '../helpers/fuse-daemon.ts'
import { startPodfs } from '../helpers/podfs.ts'

const skip = cannotStart()

function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map(fd => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return '' // closed meanwhile
    }
  })
}

/** The names in the abstract namespace that sockets of these processes have. */
function abstractNamesOf(pids: readonly number[]): string[] {
  const sockets = new Set(pids.flatMap(openFiles))
  return readFileSync('/proc/net/unix', 'latin1')
    .split('\n')
    .map(line => line.trim().split(/ +/))
    .filter(([, , , , , , inode]) => sockets.has(`socket:[${inode}]`))
    .map(fields => fields[7] ?? '')
    .filter(name => name.startsWith('@'))
}

t.test('podfs has no name that another user could take', { skip }, async t => {
  const dir = t.testdir({ conf: { key: 'value' } })
  const running = startPodfs(t, [
    'mount',
    path.join(dir, 'conf'),
    path.join(dir, 'mnt'),
  ])
  await running.saw(/ready/)
  t.strictSame(abstractNamesOf(processesBelow(running.pid)), [])
  // Before the test's directory is removed, which must not walk into a mount.
  running.child.kill('SIGTERM')
  await running.ended
})

function runtimeOf(t: Test): string {
  return path.join(t.testdir({}), 'run')
}

t.test('one of many gets the claim, and the next one after it', async t => {
  const runtime = runtimeOf(t)
  const claim = () => claimMountpoint(runtime, '/some/where')
  const claims = await Promise.all(Array.from({ length: 8 }, claim))
  const [first, ...more] = claims.filter(claim => claim !== undefined)
  t.ok(first)
  t.strictSame(more, [])
  t.equal(await claim(), undefined)
  const other = await claimMountpoint(runtime, '/some/where/else')
  t.ok(other, 'another mount point is another claim')
  await other?.release()
  await first?.release()
  t.strictSame(readdirSync(runtime), [])
  const second = await claim()
  t.ok(second)
  await second?.release()
})

t.test('a file that is taken away before it is locked is none', async t => {
  const runtime = runtimeOf(t)
  const claim = () => claimMountpoint(runtime, '/some/where')
  const first = await claim()
  const file = path.join(runtime, readdirSync(runtime)[0] ?? '')
  await first?.release()
  const claiming = claim()
  // Opened by a thread of the pool; this one goes on with it only afterwards.
  while (!openFiles(process.pid).includes(file));
  unlinkSync(file)
  const second = await claiming
  t.ok(second)
  t.equal(await claim(), undefined)
  await second?.release()
})

t.test('the kernel drops it with its process', async t => {
  const runtime = runtimeOf(t)
  const script = buildFixture(t, 'claim')
  const holder = spawn(process.execPath, [script, runtime, '/some/where'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => holder.kill('SIGKILL'))
  await once(holder.stdout, 'data')
  t.equal(await claimMountpoint(runtime, '/some/where'), undefined)
  await sweepClaims(runtime, [])
  t.equal(readdirSync(runtime).length, 1, 'what is held is not swept away')
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  const claim = await claimMountpoint(runtime, '/some/where')
  t.ok(claim)
  await claim?.release()
})

t.test('what a killed podfs left is swept away', async t => {
  const runtime = runtimeOf(t)
  const script = buildFixture(t, 'claim')
  const holder = spawn(process.execPath, [script, runtime, '/some/where'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  t.equal(readdirSync(runtime).length, 1)
  await sweepClaims(runtime, ['/some/where'])
  t.equal(readdirSync(runtime).length, 1, 'not what is served')
  await sweepClaims(runtime, [])
  t.ok(existsSync(runtime))
  t.strictSame(readdirSync(runtime), [])
})
