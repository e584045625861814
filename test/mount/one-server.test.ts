/*
 * Two servers never answer one connection, whoever of the keepers and standbys is killed when:
 * each would have a tree of its own, and the journals would have both.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statfsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { FuseMount } from '../../src/fuse/mount/mount.ts'
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

/** Who waits for requests just now: read(2) of descriptor 3. */
function serversOf(directory: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
        const [call, fd] = readFileSync(`/proc/${pid}/syscall`, 'latin1').split(
          ' ',
        )
        const isReading = call === '0' || call === '63'
        return words[2] === directory && isReading && fd === '0x3'
      } catch {
        return false
      }
    })
}

/** Another keeper than `pid`, which serves with a server of its own. */
async function nextKeeper(mount: FuseMount, pid: number): Promise<number> {
  await until(() => mount.keeperPid !== pid, 'another keeper', 30_000)
  return mount.keeperPid
}

t.test(
  'a server that was a standby before, without standby and keeper',
  { skip },
  async t => {
    const { mount, publicPath, directory } = await mountForTest(t)
    await swap(mount.directory, 1, { key: 'value 1' })
    const first = await nextServer(mount, undefined)
    await standbyOf(mount)
    process.kill(first, 'SIGKILL')
    // What it has to hand on is itself, and not the one before it.
    const server = await nextServer(mount, first)
    const standby = await standbyOf(mount)
    const keeper = mount.keeperPid
    process.kill(standby, 'SIGSTOP')
    process.kill(keeper, 'SIGKILL')
    process.kill(standby, 'SIGKILL')
    await nextKeeper(mount, keeper)
    await nextServer(mount, server)
    t.notOk(await isAlive(server), 'it has ended before another one serves')
    statfsSync(publicPath)
    // It may be at work.
    t.ok(serversOf(directory).length <= 1)
    await swap(mount.directory, 2, { key: 'value 2' })
    t.equal(await readFile(join(publicPath, 'key'), 'utf8'), 'value 2')
  },
)

t.test(
  'a keeper, and the next one before it has a standby',
  { skip },
  async t => {
    const { mount, publicPath, directory } = await mountForTest(t)
    await swap(mount.directory, 1, { key: 'value 1' })
    const server = await nextServer(mount, undefined)
    await standbyOf(mount)
    const first = mount.keeperPid
    process.kill(first, 'SIGKILL')
    const second = await nextKeeper(mount, first)
    // Whatever it has started by now goes, too.
    const below = readFileSync(
      `/proc/${second}/task/${second}/children`,
      'utf8',
    )
    process.kill(second, 'SIGKILL')
    for (const pid of below.trim().split(' ').filter(Boolean).map(Number))
      if (pid !== server && (await isAlive(pid))) process.kill(pid, 'SIGKILL')
    await nextKeeper(mount, second)
    statfsSync(publicPath)
    await standbyOf(mount)
    t.ok(serversOf(directory).length <= 1)
    await swap(mount.directory, 2, { key: 'value 2' })
    t.equal(await readFile(join(publicPath, 'key'), 'utf8'), 'value 2')
  },
)

t.test('the lock is a server’s for as long as it lives', { skip }, async t => {
  const { mount, publicPath, directory } = await mountForTest(t)
  const lock = join(directory, 'serving')
  const take = (): number | null =>
    spawnSync('flock', ['-n', lock, 'true']).status
  let server = await nextServer(mount, undefined)
  for (let round = 0; round < 3; round++) {
    t.equal(take(), 1, 'nobody else can have it')
    t.equal(Number(readFileSync(lock, 'latin1').split(' ')[0]), server)
    const before = server
    process.kill(server, 'SIGKILL')
    statfsSync(publicPath)
    server = await nextServer(mount, before)
  }
})

t.test('nobody serves while somebody else has the lock', { skip }, async t => {
  const { mount, publicPath, directory } = await mountForTest(t)
  const server = await nextServer(mount, undefined)
  await standbyOf(mount)
  // The next in the queue for it.
  const holder = spawn('flock', [join(directory, 'serving'), 'cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  holder.stdin.write('mine\n')
  process.kill(mount.keeperPid, 'SIGSTOP')
  process.kill(server, 'SIGKILL')
  await once(holder.stdout, 'data')
  process.kill(mount.keeperPid, 'SIGCONT')
  const answer = new Promise<void>((resolve, reject) => {
    const child = spawn('stat', ['-f', publicPath], { stdio: 'ignore' })
    child.on('exit', code =>
      code === 0 ? resolve() : reject(new Error(`${code}`)),
    )
  })
  const early = await Promise.race([
    answer.then(() => 'answered'),
    new Promise(resolve => setTimeout(resolve, 500, 'waits')),
  ])
  t.equal(early, 'waits')
  holder.stdin.end()
  await answer
})

t.test(
  'a keeper that is killed while it takes the place of another one',
  { skip },
  async t => {
    const { mount, publicPath, directory } = await mountForTest(t)
    await standbyOf(mount)
    const first = mount.keeperPid
    const holder = spawn('flock', [join(directory, 'claim'), 'cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    holder.stdin.write('mine\n')
    await once(holder.stdout, 'data')
    process.kill(first, 'SIGKILL')
    let waiting = 0
    await until(() => {
      waiting =
        readdirSync('/proc')
          .map(Number)
          .find(pid => isKeeperOf(pid, directory) && waitsForLock(pid)) ?? 0
      return waiting !== 0
    }, 'the next keeper, which waits for its turn')
    process.kill(waiting, 'SIGKILL')
    holder.stdin.end()
    await nextKeeper(mount, first)
    statfsSync(publicPath)
  },
)

/** Whether a child of it is flock(1). */
function waitsForLock(pid: number): boolean {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return children
      .trim()
      .split(' ')
      .some(child =>
        readFileSync(`/proc/${child}/cmdline`, 'latin1').startsWith('flock\0'),
      )
  } catch {
    return false
  }
}

function isKeeperOf(pid: number, directory: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
    return words[1]?.endsWith('keeper.sh') === true && words[2] === directory
  } catch {
    return false
  }
}
