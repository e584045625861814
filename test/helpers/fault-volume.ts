import { spawn } from 'node:child_process'
import { existsSync, watch, writeFileSync } from 'node:fs'
import { mkdir, open, readdir, readFile, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { FaultPoint } from '../../src/fuse/server/fault-points.ts'
import { AtomicWriter } from '../../src/writer/atomic-writer.ts'
import {
  makeTemporaryDirectory,
  mountForTest,
  nextServer,
} from './fuse-mount.ts'
import { formatEvents, Inotify } from './inotify.ts'
import { eventually } from './podfs.ts'

const keys = ['a', 'b']

/**
 * A volume whose server can be made to die. `fills`: many entries with one request, as podfs
 * publishes what nobody has seen; else each for itself.
 */
export async function volumeForTest(t: Test, fills = true) {
  const faults = join(makeTemporaryDirectory(t), 'faults')
  const { mount, publicPath } = await mountForTest(t, {
    faults,
  })
  const directory = join(mount.directory, 'volume')
  await mkdir(directory)
  const fill = fills ? mount.fill : undefined
  const writer = new AtomicWriter(directory, { fill })
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
  // A reader that waits from the server's death to its successor: no cache answers statfs(2).
  const readers: Promise<string>[] = []
  const deaths = watch(dirname(faults), () => {
    if (!existsSync(faults) && readers.length === 0)
      readers.push(statfs(volume).then(() => 'answered', String))
  })
  t.teardown(() => deaths.close())
  return {
    mount,
    volume,
    /** A swap during which the server dies; false when it has no such point. */
    swapWithFault: async (
      point: FaultPoint,
      count: number,
    ): Promise<boolean> => {
      readers.length = 0
      writeFileSync(faults, `${point} ${count}`)
      await swap()
      const values = await Promise.all(
        keys.map(key => readFile(join(volume, 'd', key), 'utf8')),
      )
      const died = !existsSync(faults)
      await eventually(() => !died || readers.length > 0)
      const seen = {
        values,
        reader: await readers[0],
        events: formatEvents(inotify.drain()),
        entries: (await readdir(volume)).length,
      }
      const wanted = {
        values: keys.map(() => `round ${round}`),
        reader: died ? 'answered' : undefined,
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

/** Dies at each place of a swap that has this point, and looks whether anybody noticed. */
export async function killAtEvery(
  t: Test,
  point: FaultPoint,
  fills: boolean,
): Promise<void> {
  const { mount, volume, swapWithFault } = await volumeForTest(t, fills)
  const held = await open(join(volume, 'd/a'))
  t.teardown(() => held.close())
  const standing = spawn('sh', ['-c', 'read go; stat -c %F .'], {
    cwd: join(volume, 'd'),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const { ino } = await held.stat()
  let kills = 0
  while (await swapWithFault(point, kills + 1)) kills++
  t.ok(kills >= (fills ? 9 : 12), `${kills} kills`)
  await nextServer(mount, undefined)
  t.match(await held.stat(), { ino })
  t.equal((await held.readFile()).toString(), 'round 2')
  standing.stdin.end('go\n')
  // Its directory has been replaced; it still stands in the old one.
  t.equal(await text(standing.stdout), 'directory\n')
}
