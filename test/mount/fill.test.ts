/*
 * Many entries with one request, on a real mount: what it costs, and that whoever looks gets
 * every event (src/fuse/wire/fill.ts). The events themselves: test/mount/atomic-writer.test.ts.
 */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import type { FuseMount } from '../../src/fuse/mount/mount.ts'
import type { FillDirectory } from '../../src/util/new-entry.ts'
import { AtomicWriter } from '../../src/writer/atomic-writer.ts'
import { cannotMount, mountForTest } from '../helpers/fuse-mount.ts'
import { lookFromOutside } from '../helpers/inotify.ts'
import { checkVolumeContents, makePayload } from '../helpers/volume-contents.ts'

const skip = await cannotMount()

async function makeVolume(t: Test): Promise<{
  mount: FuseMount
  volume: string
  shown: string
}> {
  const { mount, publicPath } = await mountForTest(t)
  const volume = path.join(mount.directory, 'volume')
  await mkdir(volume, { mode: 0o700 })
  return { mount, volume, shown: path.join(publicPath, 'volume') }
}

/** `count` keys of a given length. */
function keys(count: number, value: string): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`key-${at}`, value]),
  )
}

async function requestsOf(
  mount: FuseMount,
  act: () => Promise<unknown>,
): Promise<number> {
  const count = async () =>
    Object.entries(await mount.stats())
      .filter(([name]) => name === name.toUpperCase())
      .reduce((sum, [, number]) => sum + number, 0)
  const before = await count()
  await act()
  return (await count()) - before
}

t.test('the requests do not grow with the keys', { skip }, async t => {
  const { mount, volume, shown } = await makeVolume(t)
  const writer = new AtomicWriter(volume, { fill: mount.fill })
  const first = makePayload(keys(500, 'one'))
  t.ok((await requestsOf(mount, () => writer.write(first))) < 15, 'at first')
  await checkVolumeContents(shown, first)
  const unseen = new AtomicWriter(volume, { fill: mount.fill })
  const second = makePayload(keys(500, 'two'))
  // By names alone; a look at a file would need its events later.
  await unseen.write(second)
  const third = makePayload(keys(500, 'three'))
  t.ok((await requestsOf(mount, () => unseen.write(third))) < 25, 'then')
  await checkVolumeContents(shown, third)
})

t.test('more than one request holds', { skip }, async t => {
  const { mount, volume, shown } = await makeVolume(t)
  const writer = new AtomicWriter(volume, { fill: mount.fill })
  for (const value of ['x', 'y']) {
    const payload = makePayload(keys(40, value.repeat(20_000)))
    await writer.write(payload)
    await checkVolumeContents(shown, payload)
  }
  const huge = makePayload({ a: 'z'.repeat(300_000), b: '1' })
  await writer.write(huge)
  await checkVolumeContents(shown, huge)
})

t.test('somebody looks in the middle', { skip }, async t => {
  const { mount, volume, shown } = await makeVolume(t)
  const payloads = [
    makePayload(keys(40, 'x'.repeat(20_000))),
    makePayload(keys(40, 'y'.repeat(20_000))),
  ]
  for (const payload of payloads) {
    const made: number[] = []
    const fill: FillDirectory = async (directory, entries) => {
      made.push(await mount.fill(directory, entries))
      if (made.length === 2) lookFromOutside(directory)
      return made.at(-1) ?? 0
    }
    await new AtomicWriter(volume, { fill }).write(payload)
    t.equal(made[2], 0, 'the third finds that somebody has')
    await checkVolumeContents(shown, payload)
  }
})

t.test('a new generation is never closed to other users', { skip }, async t => {
  const { mount, volume, shown } = await makeVolume(t)
  await chmod(volume, 0o1777)
  const looks: string[] = []
  const fill: FillDirectory = (directory, entries) => {
    const name = path.basename(directory)
    if (name.startsWith('..'))
      looks.push(
        execFileSync('ls', ['-ld', path.join(shown, name, '.')], {
          uid: 65534,
          gid: 65534,
          encoding: 'utf8',
        }),
      )
    return mount.fill(directory, entries)
  }
  const writer = new AtomicWriter(volume, { fill })
  for (const value of ['x', 'y']) {
    const payload = makePayload(keys(3, value))
    await writer.write(payload)
    await checkVolumeContents(shown, payload)
  }
  t.ok(looks.length > 0)
  for (const look of looks) t.match(look, /^drwxr-xr-x /)
})

t.test('nobody else finds ..fill', { skip }, async t => {
  const { mount, publicPath } = await mountForTest(t)
  await (await open(path.join(mount.directory, '..fill'), 'r+')).close()
  const list = (where: string) =>
    execFileSync('ls', ['-a', where], { encoding: 'utf8' })
  t.equal(list(publicPath), '.\n..\n')
  t.throws(() => lookFromOutside(path.join(publicPath, '..fill')), {
    message: /No such file/,
  })
  t.throws(() => lookFromOutside(path.join(mount.directory, '..fill')), {
    message: /No such file/,
  })
})
