import t from 'tap'
import { readlink, stat } from 'node:fs/promises'
import {
  AtomicWriter,
  prepareVolumeRoot,
} from '../../src/writer/atomic-writer.ts'
import { describeAtomicWriter } from '../helpers/atomic-writer-suite.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'
import { makePayload } from '../helpers/volume-contents.ts'

t.test('names a generation by the UTC time of its write', async t => {
  const directory = await makeTmpfsDirectory(t)
  const clock = {
    now: () => Date.UTC(2026, 7, 21, 11, 29, 11, 999),
    elapsed: () => 0,
    sleep: async () => {},
    after: () => ({ cancel: () => {} }),
  }
  await new AtomicWriter(directory, { clock }).write(makePayload({ a: '1' }))
  t.match(
    await readlink(`${directory}/..data`),
    /^\.\.2026_08_21_11_29_11\.\d+$/,
  )
})

t.test('an invalid payload touches nothing', async t => {
  const directory = await makeTmpfsDirectory(t)
  await t.rejects(
    new AtomicWriter(directory).write(makePayload({ a: '1', '..b': '2' })),
    { code: 'PAYLOAD_RESERVED_NAME', path: '..b' },
  )
  await t.rejects(readlink(`${directory}/..data`), { code: 'ENOENT' })
})

t.test('a directory that is not there', async t => {
  const directory = `${await makeTmpfsDirectory(t)}/missing`
  const writer = new AtomicWriter(directory)
  await t.rejects(writer.write(makePayload({ a: '1' })), { code: 'ENOENT' })
  await t.rejects(writer.recover(), { code: 'ENOENT' })
})

t.test('prepareVolumeRoot', async t => {
  const directory = await makeTmpfsDirectory(t)
  await prepareVolumeRoot(directory)
  t.equal((await stat(directory)).mode & 0o7777, 0o1777)
})

describeAtomicWriter(t, { makeDirectory: makeTmpfsDirectory })
