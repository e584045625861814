import { readdir } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { claimEmptyDirs } from '../../src/pods/empty-dirs.ts'
import { makeTemporaryDirectory } from '../helpers/fuse-mount.ts'

t.test('sessions that come and go at the same time', async t => {
  const root = makeTemporaryDirectory(t)
  const places = { runtime: root, state: path.join(root, 'state') }
  const session = async (name: string): Promise<void> => {
    for (let round = 0; round < 20; round++) {
      const claimed = await claimEmptyDirs(places, path.join(root, name))
      await claimed.remove()
    }
  }
  await Promise.all(Array.from({ length: 20 }, (_, at) => session(`run-${at}`)))
  t.same(await readdir(path.join(places.state, 'empty-dir')), [])
})
