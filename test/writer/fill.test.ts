/*
 * Where a file system makes many entries at once while nobody looks: what the AtomicWriter does
 * with it, and with one that stops half-way. The real one: test/mount/fill.test.ts.
 */
import { constants } from 'node:fs'
import {
  chmod,
  lchown,
  lstat,
  mkdir,
  symlink,
  writeFile,
} from 'node:fs/promises'
import t from 'tap'
import type { FillDirectory } from '../../src/util/new-entry.ts'
import {
  AtomicWriter,
  prepareVolumeRoot,
} from '../../src/writer/atomic-writer.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'
import { checkVolumeContents, makePayload } from '../helpers/volume-contents.ts'

/** Makes so many entries with each call; after the last of these calls somebody has come. */
function filling(...counts: number[]) {
  const calls: number[] = []
  const fill: FillDirectory = async (directory, entries) => {
    const now = entries.slice(0, counts.shift() ?? 0)
    calls.push(now.length)
    for (const { path, mode, uid, data } of now) {
      const at = `${directory}/${path}`
      const type = mode & constants.S_IFMT
      if (type === constants.S_IFDIR) await mkdir(at)
      else if (type === constants.S_IFREG) await writeFile(at, data)
      else await symlink(Buffer.from(data), at)
      if (type !== constants.S_IFLNK) await chmod(at, mode & 0o7777)
      if (uid !== undefined) await lchown(at, uid, -1)
    }
    return now.length
  }
  return { fill, calls }
}

const all = Infinity
const first = { a: '1', 'd/e/x': { data: '2', mode: 0o400 }, b: '3' }
const second = { a: 'changed', 'd/y': '2' }

// A first generation has ten entries: `..ts`, `d`, `d/e`, three files, `..data`, three links.
const rows: readonly {
  readonly name: string
  readonly counts: readonly number[]
  /** What each call made. */
  readonly calls: readonly number[]
}[] = [
  { name: 'all at once', counts: [all], calls: [10] },
  { name: 'nothing at once', counts: [], calls: [0, 0] },
  { name: 'as many as go into a request', counts: [4, 4, 4], calls: [4, 4, 2] },
  {
    name: 'somebody comes before ..data is there',
    counts: [3],
    calls: [3, 0, 0],
  },
  { name: 'somebody comes when ..data is there', counts: [8], calls: [8, 0] },
]
for (const { name, counts, calls } of rows)
  t.test(`the first generation: ${name}`, async t => {
    const directory = await makeTmpfsDirectory(t)
    const filled = filling(...counts)
    const writer = new AtomicWriter(directory, filled)
    t.equal(await writer.write(makePayload(first)), true)
    await checkVolumeContents(directory, makePayload(first))
    t.strictSame(filled.calls, calls)
    t.equal(await writer.write(makePayload(first)), false, 'it is there')
  })

for (const { name, counts, calls } of [
  { name: 'all at once', counts: [all], calls: [3] },
  { name: 'nothing at once', counts: [], calls: [0] },
  { name: 'some at once', counts: [2], calls: [2, 0] },
])
  for (const fsGroup of process.getuid?.() === 0
    ? [undefined, 2000]
    : [undefined])
    t.test(
      `the next one: ${name}${fsGroup === undefined ? '' : ', with fsGroup'}`,
      async t => {
        const directory = await makeTmpfsDirectory(t)
        const options = fsGroup === undefined ? {} : { fsGroup }
        await prepareVolumeRoot(directory, options)
        const filled = filling(all, ...counts)
        const writer = new AtomicWriter(directory, filled)
        await writer.write(makePayload(first), options)
        filled.calls.length = 0
        t.equal(await writer.write(makePayload(second), options), true)
        await checkVolumeContents(directory, makePayload(second), options)
        t.strictSame(filled.calls, calls)
        t.equal(
          (await lstat(`${directory}/..data/d`)).mode & 0o7777,
          fsGroup === undefined ? 0o755 : 0o2755,
        )
      },
    )

t.test('an empty generation', async t => {
  const directory = await makeTmpfsDirectory(t)
  const filled = filling(all)
  const writer = new AtomicWriter(directory, filled)
  t.equal(await writer.write(makePayload({})), true)
  await checkVolumeContents(directory, makePayload({}))
  t.equal(await writer.write(makePayload({ a: '1' })), true)
  t.equal(await writer.write(makePayload({})), true)
  await checkVolumeContents(directory, makePayload({}))
  t.strictSame(filled.calls, [2, 0], 'nobody is asked to make nothing')
})
