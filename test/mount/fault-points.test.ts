/*
 * Kills the server at exact points of every request of a swap, and looks whether anybody
 * noticed: the writer, a watcher, an open file, a working directory.
 */
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { mkdir, open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { FaultPoint } from '../../src/fuse/fault-points.ts'
import { AtomicWriter } from '../../src/writer/atomic-writer.ts'
import { formatEvents, Inotify } from '../helpers/inotify.ts'
import {
  cannotMount,
  makeTemporaryDirectory,
  mountForTest,
  nextServer,
} from '../helpers/fuse-mount.ts'

const skip = await cannotMount()
// Some 220 deaths.
t.setTimeout(390_000)
const keys = ['a', 'b']

async function volumeForTest(t: Test) {
  const faults = join(makeTemporaryDirectory(t), 'faults')
  const { mount, publicPath } = await mountForTest(t, {
    maxFailures: 1_000_000,
    faults,
  })
  const directory = join(mount.directory, 'volume')
  await mkdir(directory)
  const writer = new AtomicWriter(directory)
  let round = 0
  const swap = async (): Promise<void> => {
    round++
    const data = Buffer.from(`round ${round}`)
    await writer.write(
      new Map(keys.map(key => [`d/${key}`, { data, mode: 0o640 }])),
    )
  }
  await swap()
  const volume = join(publicPath, 'volume')
  const inotify = new Inotify()
  t.teardown(() => inotify.close())
  inotify.watch(volume)
  await swap()
  const expected = formatEvents(inotify.drain())
  return {
    mount,
    volume,
    /** A swap during which the server dies; false when it has no such point. */
    swapWithFault: async (
      point: FaultPoint,
      count: number,
    ): Promise<boolean> => {
      writeFileSync(faults, `${point} ${count}`)
      await swap()
      const values = await Promise.all(
        keys.map(key => readFile(join(volume, 'd', key), 'utf8')),
      )
      const died = !existsSync(faults)
      const seen = {
        values,
        events: formatEvents(inotify.drain()),
        entries: (await readdir(volume)).length,
      }
      const wanted = {
        values: keys.map(() => `round ${round}`),
        events: expected,
        entries: 3,
      }
      // One assertion for each kill would be a thousand lines.
      if (JSON.stringify(seen) !== JSON.stringify(wanted))
        t.strictSame(seen, wanted, `${point} ${count}`)
      return died
    },
  }
}

for (const point of ['read', 'changed', 'torn', 'recorded', 'replied'] as const)
  t.test(`killed at every request of a swap: ${point}`, { skip }, async t => {
    const { mount, volume, swapWithFault } = await volumeForTest(t)
    const held = await open(join(volume, 'd/a'))
    t.teardown(() => held.close())
    const standing = spawn('sh', ['-c', 'read go; stat -c %F .'], {
      cwd: join(volume, 'd'),
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const { ino } = await held.stat()
    let kills = 0
    while (await swapWithFault(point, kills + 1)) kills++
    t.ok(kills >= 12, `${kills} kills`)
    await nextServer(mount, undefined)
    t.match(await held.stat(), { ino })
    t.equal((await held.readFile()).toString(), 'round 2')
    standing.stdin.end('go\n')
    // Its directory has been replaced; it still stands in the old one.
    t.equal(await text(standing.stdout), 'directory\n')
  })

for (const point of ['compact-before', 'compact-torn'] as const)
  t.test(
    `killed in every write of a compaction: ${point}`,
    { skip },
    async t => {
      const { swapWithFault } = await volumeForTest(t)
      let kills = 0
      // Several compactions, each with four writes.
      while (kills < 24 && (await swapWithFault(point, kills + 1))) kills++
      t.equal(kills, 24)
    },
  )

for (const point of ['replayed', 'resent'] as const)
  t.test(
    `a successor killed while it takes over: ${point}`,
    { skip },
    async t => {
      const { mount, swapWithFault } = await volumeForTest(t)
      for (let kills = 0; kills < 8; kills++) {
        const server = await nextServer(mount, undefined)
        setTimeout(() => process.kill(server, 'SIGKILL'), kills)
        if (!(await swapWithFault(point, 1))) {
          // The swap was over before the kill.
          await nextServer(mount, server)
          await swapWithFault('read', 1000)
        }
      }
      t.pass('nobody noticed')
    },
  )
