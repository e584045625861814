/*
 * A server that answers nothing and has not died: stopped, or in an endless loop. It is told of,
 * and replaced, and an end of the mount does not wait for it. Whoever had asked is answered.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  readdirSync,
  readFileSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { adoptMount } from '../../src/fuse/mount/adopt-mount.ts'
import { mountsBelow } from '../../src/linux/mountinfo.ts'
import type { Logger } from '../../src/util/logger.ts'
import { startDaemon } from '../helpers/fuse-daemon.ts'
import {
  cannotMount,
  isAlive,
  mountForTest,
  nextServer,
  swap,
  until,
} from '../helpers/fuse-mount.ts'

t.setTimeout(120_000)
t.jobs = 3
const skip = await cannotMount()

interface Told {
  readonly facts: Record<string, unknown>
  readonly message: string
}

/** What is told as an error; `first` resolves with the first of it. */
function listener() {
  const all: Told[] = []
  let say: (told: Told) => void = () => undefined
  const first = new Promise<Told>(resolve => (say = resolve))
  const logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (facts: Record<string, unknown>, message: string) => {
      all.push({ facts, message })
      say({ facts, message })
    },
  } as unknown as Logger
  return { logger, all, first }
}

/** statfs(2), which the kernel never answers itself, by a process of its own. */
function ask(path: string): Promise<unknown> {
  return promisify(execFile)('stat', ['-f', '--', path])
}

t.test('a stopped server is told of and replaced', { skip }, async t => {
  const { logger, all, first } = listener()
  const { mount, publicPath, directory } = await mountForTest(t, { logger })
  await swap(mount.directory, 1, { key: 'value' })
  const server = await nextServer(mount, undefined)
  process.kill(server, 'SIGSTOP')
  const answered = ask(publicPath)
  t.match(await first, {
    facts: { mount: directory, serverPid: server },
    message: /is stopped .*another one takes its place/,
  })
  t.ok(await isAlive(server), 'at first it is only told')
  await answered
  t.not(await nextServer(mount, server), server)
  t.notOk(await isAlive(server))
  t.equal(readFileSync(join(publicPath, 'key'), 'utf8'), 'value')
  t.equal(all.length, 1, 'in one line')
})

t.test('a server that goes on in time stays', { skip }, async t => {
  const { logger, first } = listener()
  const { mount, publicPath } = await mountForTest(t, { logger })
  const server = await nextServer(mount, undefined)
  process.kill(server, 'SIGSTOP')
  await first
  process.kill(server, 'SIGCONT')
  statfsSync(publicPath)
  await until(
    () => sleepersOf(mount.keeperPid).length === 0,
    'its stopwatch to be stopped',
  )
  t.equal(mount.serverPid, server)
  t.equal((await mount.stats())['serverRestarts'], 0)
})

t.test('a server that hangs in a request is replaced', { skip }, async t => {
  const { logger, all, first } = listener()
  const faults = join(t.testdir({}), 'faults')
  const { mount, publicPath, directory } = await mountForTest(t, {
    logger,
    faults,
  })
  await swap(mount.directory, 1, { key: 'value' })
  const server = await nextServer(mount, undefined)
  writeFileSync(faults, 'hang')
  const answered = ask(publicPath)
  t.match(await first, {
    facts: { mount: directory, serverPid: server, operation: 'STATFS' },
    message: /has worked on one request for 2 s/,
  })
  await answered
  t.not(await nextServer(mount, server), server)
  t.equal(readFileSync(join(publicPath, 'key'), 'utf8'), 'value')
  t.equal(all.length, 1, 'in one line')
})

t.test(
  'a hang is noticed also after a pause, and in a standby that serves',
  { skip },
  async t => {
    const { logger, first } = listener()
    const faults = join(t.testdir({}), 'faults')
    const { mount, publicPath } = await mountForTest(t, { logger, faults })
    const before = await nextServer(mount, undefined)
    process.kill(before, 'SIGKILL')
    statfsSync(publicPath)
    const server = await nextServer(mount, before)
    // While nothing is asked of it none of its threads wakes.
    let count = switchesOf(server)
    await until(async () => {
      await new Promise(resolve => setTimeout(resolve, 1500))
      const now = switchesOf(server)
      const isQuiet = now === count
      count = now
      return isQuiet
    }, 'quiet')
    writeFileSync(faults, 'hang')
    const answered = ask(publicPath)
    t.match(await first, { facts: { serverPid: server } })
    await answered
  },
)

t.test(
  'whoever has adopted the mount is told, too, and without a daemon it is replaced',
  { skip },
  async t => {
    const daemon = await startDaemon(t, 'detach')
    daemon.process.kill('SIGKILL')
    await once(daemon.process, 'exit')
    process.kill(daemon.serverPid, 'SIGSTOP')
    await ask(daemon.publicPath)
    t.notOk(await isAlive(daemon.serverPid))

    const { logger, first } = listener()
    const mount = await adoptMount(daemon.directory, logger)
    t.teardown(() => mount?.stop())
    const server = mount?.serverPid as number
    process.kill(server, 'SIGSTOP')
    t.match(await first, {
      facts: { mount: daemon.directory, serverPid: server },
    })
    await statfs(daemon.publicPath)
    if (mount !== undefined) await nextServer(mount, server)
  },
)

for (const signal of ['SIGSTOP', 'hang'] as const)
  t.test(
    `a mount ends although its server hangs (${signal})`,
    { skip },
    async t => {
      const faults = join(t.testdir({}), 'faults')
      const { mount, directory, root, publicPath } = await mountForTest(t, {
        faults,
      })
      const server = await nextServer(mount, undefined)
      if (signal === 'hang') writeFileSync(faults, 'hang')
      else process.kill(server, 'SIGSTOP')
      const failed = t.rejects(ask(publicPath), /not connected|abort/)
      await mount.stop()
      await failed
      t.strictSame(await mountsBelow(root), [])
      t.notOk(await isAlive(server))
      t.notOk(existsSync(directory))
    },
  )

t.test(
  'an unmount waits for no server, and leaves nothing',
  { skip },
  async t => {
    const { mount, publicPath } = await mountForTest(t)
    const server = await nextServer(mount, undefined)
    process.kill(server, 'SIGSTOP')
    let sleepers: number[] = []
    await until(() => {
      sleepers = sleepersOf(mount.keeperPid)
      return sleepers.length > 0
    }, 'a stopwatch')
    // Never replaced any more: nothing may wait for that.
    for (const pid of sleepers) process.kill(pid, 'SIGSTOP')
    await mount.unbind(publicPath, { lazy: true })
    await mount.stop()
    for (const pid of sleepers) t.notOk(await isAlive(pid))
  },
)

function sleepersOf(keeper: number): number[] {
  const children = readFileSync(
    `/proc/${keeper}/task/${keeper}/children`,
    'latin1',
  )
  return children
    .trim()
    .split(' ')
    .map(Number)
    .filter(pid => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
        return words.startsWith('sleep\0')
      } catch {
        return false
      }
    })
}

/** Of all its threads. */
function switchesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map(task => readFileSync(`/proc/${pid}/task/${task}/status`, 'latin1'))
    .reduce(
      (sum, text) =>
        sum + Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(text)?.[1]),
      0,
    )
}
