import { lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { giveToGroup } from '../../src/volumes/give-to-group.ts'
import { needsRoot } from '../process/sandbox.ts'

t.test('all of a volume is its group’s', { skip: needsRoot }, async t => {
  const outside = path.join(t.testdir(), 'outside')
  const volume = path.join(t.testdirName, 'volume')
  await mkdir(path.join(volume, 'deep/er'), { recursive: true, mode: 0o700 })
  await writeFile(path.join(volume, 'deep/er/file'), 'x', { mode: 0o600 })
  await writeFile(path.join(volume, 'program'), 'x', { mode: 0o755 })
  await writeFile(outside, 'x', { mode: 0o600 })
  await symlink(outside, path.join(volume, 'deep/link'))
  const look = async (...paths: string[]): Promise<string[]> =>
    await Promise.all(
      paths.map(async name => {
        const { gid, mode } = await lstat(path.join(volume, name))
        return `${gid} ${(mode & 0o7777).toString(8)}`
      }),
    )
  await giveToGroup(volume, 4321, undefined)
  t.same(await look('.', 'deep/er', 'deep/er/file', 'program'), [
    '4321 2770',
    '4321 2770',
    '4321 660',
    '4321 775',
  ])
  t.same(await look('deep/link', '../outside'), ['4321 777', '0 600'])

  await writeFile(path.join(volume, 'new'), 'x', { mode: 0o600 })
  await giveToGroup(volume, 4321, 'OnRootMismatch')
  t.same(await look('new'), ['4321 600'], 'the root is as it should be')
  await giveToGroup(volume, 5432, 'OnRootMismatch')
  t.same(await look('new', 'deep/er/file'), ['5432 660', '5432 660'])
  await giveToGroup(volume, 5432, 'Always')
  t.equal(await readFile(outside, 'utf8'), 'x')
})
