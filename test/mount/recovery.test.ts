import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  mkdir,
  open,
  readdir,
  readFile,
  stat,
  statfs,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { mountFuse } from '../../src/fuse/mount/mount.ts'
import { mountsBelow } from '../../src/linux/mountinfo.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { needsRootOfMachine } from '../helpers/capability.ts'
import { formatEvents, Inotify } from '../helpers/inotify.ts'
import { eventually, isRunning } from '../helpers/podfs.ts'
import {
  cannotMount,
  makeTemporaryDirectory,
  mountForTest,
  nextServer,
  standbyOf,
  swap,
} from '../helpers/fuse-mount.ts'

const skip = await cannotMount()

const keys = (round: number): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: 10 }, (_, i) => [`key${i}`, `value ${round}`]),
  )

t.test(
  'a server killed while idle is replaced, nothing lost',
  { skip },
  async t => {
    const { mount, publicPath } = await mountForTest(t)
    await swap(mount.directory, 1, keys(1))
    const inotify = new Inotify()
    t.teardown(() => inotify.close())
    inotify.watch(publicPath)
    const held = await open(join(publicPath, 'key0'))
    t.teardown(() => held.close())
    const { ino, mtimeMs } = await stat(join(publicPath, 'key0'))
    const first = await nextServer(mount, undefined)
    process.kill(first, 'SIGKILL')
    await nextServer(mount, first)
    await swap(mount.directory, 2, keys(2))
    t.equal(await readFile(join(publicPath, 'key3'), 'utf8'), 'value 2')
    t.equal((await held.readFile()).toString(), 'value 1', 'an open file stays')
    t.match(await held.stat(), { ino, mtimeMs, nlink: 0 })
    t.strictSame(formatEvents(inotify.drain()), [
      'CREATE,ISDIR ..ts1',
      'CREATE ..data_tmp',
      'MOVED_FROM ..data_tmp',
      'MOVED_TO ..data',
      'DELETE,ISDIR ..ts2',
    ])
  },
)

t.test(
  'servers killed in the middle of swaps lose nothing',
  { skip },
  async t => {
    const { mount, publicPath } = await mountForTest(t)
    await swap(mount.directory, 0, keys(0))
    const inotify = new Inotify()
    t.teardown(() => inotify.close())
    inotify.watch(publicPath)
    let kills = 0
    const state = { swapping: true }
    const killing = (async () => {
      let last: number | undefined
      while (kills < 8) {
        last = await nextServer(mount, last)
        // Somewhere in one of the next swaps, never at the same place.
        await new Promise(resolve => setTimeout(resolve, 20 + 7 * kills))
        process.kill(last, 'SIGKILL')
        kills++
      }
      await nextServer(mount, last)
      state.swapping = false
    })()
    let torn = 0
    const reading = (async () => {
      while (state.swapping) {
        // One directory, held: all of its keys are of one round.
        const directory = await open(join(publicPath, '..data'), 'r')
        const values = await Promise.all(
          Object.keys(keys(0)).map(key =>
            readFile(`/proc/self/fd/${directory.fd}/${key}`, 'utf8').catch(
              (error: NodeJS.ErrnoException) => error.code,
            ),
          ),
        )
        await directory.close()
        const distinct = new Set(values.filter(value => value !== 'ENOENT'))
        if (distinct.size > 1) torn++
      }
    })()
    let rounds = 0
    const events: string[] = []
    while (state.swapping) {
      await swap(mount.directory, ++rounds, keys(rounds))
      events.push(...formatEvents(inotify.drain()))
    }
    await Promise.all([killing, reading])
    t.equal(torn, 0)
    t.equal(await readFile(join(publicPath, 'key9'), 'utf8'), `value ${rounds}`)
    t.equal((await readdir(publicPath)).length, 12)
    t.strictSame(
      events,
      Array.from({ length: rounds }, () => [
        'CREATE,ISDIR ..ts1',
        'CREATE ..data_tmp',
        'MOVED_FROM ..data_tmp',
        'MOVED_TO ..data',
        'DELETE,ISDIR ..ts2',
      ]).flat(),
      `${rounds} swaps`,
    )
  },
)

t.test('a journal without a tree ends the mount', { skip }, async t => {
  const { mount, root, publicPath } = await mountForTest(t)
  const keeper = mount.keeperPid
  const server = await nextServer(mount, undefined)
  await standbyOf(mount)
  // As two servers would leave it that have written into one.
  for (const file of [4, 5]) await truncate(`/proc/${keeper}/fd/${file}`, 100)
  process.kill(server, 'SIGKILL')
  t.match(await mount.lost, /the tree could not be recovered/)
  t.equal((await mountsBelow(root)).length, 2, 'the daemon takes it away')
  await t.rejects(readdir(publicPath), { code: 'ENOTCONN' })
  await mount.stop()
  t.strictSame(await mountsBelow(root), [])
  await eventually(() => !isRunning(keeper))
})

t.test('keeper and servers killed at once: a lost mount', { skip }, async t => {
  const { mount, root, directory } = await mountForTest(t)
  const server = await nextServer(mount, undefined)
  const standby = await standbyOf(mount)
  // The keeper first stopped: nobody starts another in between.
  process.kill(mount.keeperPid, 'SIGSTOP')
  for (const pid of [standby, server, mount.keeperPid])
    process.kill(pid, 'SIGKILL')
  t.match(await mount.lost, /SIGKILL/)
  await mount.stop()
  t.strictSame(await mountsBelow(root), [])
  t.notOk(existsSync(directory))
})

t.test(
  'a kernel without RESEND: readers get an error and do not hang',
  { skip },
  async t => {
    const faults = join(makeTemporaryDirectory(t), 'faults')
    // The request that it has just read is the one that nobody would send again.
    await writeFile(faults, 'read 1000000')
    const { mount, publicPath, root } = await mountForTest(t, { faults })
    await swap(mount.directory, 1, keys(1))
    await standbyOf(mount)
    const server = await nextServer(mount, undefined)
    process.kill(server, 'SIGSTOP')
    await writeFile(faults, 'no-resend')
    const reading = statfs(publicPath)
    process.kill(server, 'SIGKILL')
    await t.rejects(reading, { code: /ECONNABORTED|ENOTCONN/ })
    t.match(await mount.lost, /connection is gone/)
    await mount.stop()
    t.strictSame(await mountsBelow(root), [])
  },
)

const skipControl = skip || needsRootOfMachine('fusectl')

t.test('an aborted connection is final', { skip: skipControl }, async t => {
  const { mount, root } = await mountForTest(t)
  const control = join(root, 'fusectl')
  await mkdir(control)
  await promisify(execFile)('mount', ['-t', 'fusectl', 'none', control])
  const connection = mount.device.split(':')[1] ?? ''
  await writeFile(join(control, connection, 'abort'), '1')
  await promisify(execFile)('umount', [control])
  t.match(await mount.lost, /connection is gone/)
  await mount.stop()
  t.strictSame(await mountsBelow(root), [])
})

t.test('a mount that fails says so and leaves nothing', { skip }, async t => {
  const root = makeTemporaryDirectory(t)
  const directory = join(root, 'runtime')
  await mkdir(directory, { mode: 0o700 })
  // An empty PATH with the keeper's additions has mount(8); a mount point in use has not.
  await mkdir(join(directory, 'rw'))
  await t.rejects(
    mountFuse({
      directory,
      allowOther: true,
      answerOpens: false,
      lifetime: 'run',
      logger: silentLogger,
    }),
    { code: 'EEXIST' },
  )
  t.strictSame(await mountsBelow(root), [])
})
