import t from 'tap'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { describeAtomicWriter } from '../helpers/atomic-writer-suite.ts'
import { cannotMount, mountForTest } from '../helpers/fuse-mount.ts'

// One mount for all rows; each row gets a directory of its own in it.
t.test('on a FUSE mount', { skip: await cannotMount() }, async t => {
  const { mount } = await mountForTest(t)
  let rows = 0
  describeAtomicWriter(t, async () => {
    const directory = path.join(mount.directory, `row-${++rows}`)
    await mkdir(directory)
    return directory
  })
})
