import { mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { claimEmptyDirs } from '../../src/pods/empty-dirs.ts'
import { makeTemporaryDirectory } from '../helpers/fuse-mount.ts'

t.test('sessions that come and go at the same time', async t => {
  const root = makeTemporaryDirectory(t)
  const runtime = path.join(root, 'runtime')
  await mkdir(runtime, { mode: 0o700 })
  const places = { runtime, state: path.join(root, 'state') }
  const session = async (name: string): Promise<void> => {
    for (let round = 0; round < 20; round++) {
      const claimed = await claimEmptyDirs(places, path.join(runtime, name))
      await claimed.remove()
    }
  }
  await Promise.all(Array.from({ length: 20 }, (_, at) => session(`run-${at}`)))
  t.same(await readdir(path.join(places.state, 'empty-dir')), [])
})

t.test('of two podfs with one disk, each clears away its own', async t => {
  const root = makeTemporaryDirectory(t)
  const state = path.join(root, 'state')
  const claim = async (runtime: string, session: string): Promise<string> => {
    await mkdir(path.join(root, runtime), { recursive: true, mode: 0o700 })
    const { directory } = await claimEmptyDirs(
      { runtime: path.join(root, runtime), state },
      path.join(root, runtime, session),
    )
    await mkdir(directory)
    return path.basename(directory)
  }
  // Of an earlier boot, whose sessions are all gone.
  await mkdir(path.join(state, 'empty-dir/before-1-2-run-1'), {
    recursive: true,
  })
  // None of these sessions is there: to its own podfs each is one that was killed.
  const others = await claim('other', 'run-1')
  const killed = await claim('own', 'run-2')
  const left = (): Promise<string[]> => readdir(path.join(state, 'empty-dir'))
  t.strictSame((await left()).toSorted(), [others, killed].toSorted())
  const next = await claim('own', 'run-3')
  t.strictSame((await left()).toSorted(), [others, next].toSorted())
})
