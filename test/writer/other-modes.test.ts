import { chmod, lchown, unlink } from 'node:fs/promises'
import t from 'tap'
import { needsRoot } from '../helpers/capability.ts'
import { AtomicWriter } from '../../src/writer/atomic-writer.ts'
import { hasOtherModes } from '../../src/writer/other-modes.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'
import { makePayload } from '../helpers/volume-contents.ts'

const skip = needsRoot('user')
const files = makePayload({ a: '1', 'd/b': { data: '2', mode: 0o400 } })

t.test('modes and groups of what somebody else has published', async t => {
  const directory = await makeTmpfsDirectory(t)
  await new AtomicWriter(directory).write(files)
  t.equal(await hasOtherModes(directory, files, {}), false)
  const other = (path: string, mode: number) =>
    hasOtherModes(directory, makePayload({ [path]: { data: 'x', mode } }), {})
  t.equal(await other('a', 0o600), true)
  t.equal(await other('d/b', 0o644), true)
  t.equal(await other('d/b', 0o400), false, 'whatever its bytes')
  t.equal(await other('new', 0o400), false, 'what is not there has none')
  t.equal(await other('a/new', 0o400), false)
  await chmod(`${directory}/..data/d/b`, 0o4400)
  t.equal(await hasOtherModes(directory, files, {}), true)
})

t.test('with fsGroup', { skip }, async t => {
  const directory = await makeTmpfsDirectory(t)
  const fsGroup = 2000
  await new AtomicWriter(directory).write(files, { fsGroup })
  t.equal(await hasOtherModes(directory, files, { fsGroup }), false)
  t.equal(await hasOtherModes(directory, files, {}), true, 'another mode')
  t.equal(await hasOtherModes(directory, files, { fsGroup: 2001 }), true)
  await unlink(`${directory}/..data/a`)
  await lchown(`${directory}/..data/d/b`, -1, 2001)
  t.equal(await hasOtherModes(directory, files, { fsGroup }), true)
})

t.test('where nothing can be looked at', async t => {
  const directory = `${await makeTmpfsDirectory(t)}/${'x'.repeat(256)}`
  await t.rejects(hasOtherModes(directory, files, {}), { code: 'ENAMETOOLONG' })
})
