/*
 * Volumes that no writer leaves, not one that was killed either: the next write puts them right.
 */
import {
  mkdir,
  readdir,
  readFile,
  readlink,
  symlink,
  writeFile,
} from 'node:fs/promises'
import t, { type Test } from 'tap'
import { AtomicWriter } from '../../src/writer/atomic-writer.ts'
import { removeVolume, removeVolumes } from '../../src/writer/remove-volume.ts'
import {
  volumeFileSystem,
  type VolumeFileSystem,
} from '../../src/writer/volume-tree.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'
import { makePayload } from '../helpers/volume-contents.ts'

const old = '..2026_01_01_00_00_00.1'

const spoilt: Record<string, (directory: string) => Promise<void>> = {
  '..data is a directory': async directory => {
    await mkdir(`${directory}/..data`)
    await writeFile(`${directory}/..data/a`, 'old')
  },
  '..data is a file': directory => writeFile(`${directory}/..data`, 'old'),
  '..data leads nowhere': directory => symlink(old, `${directory}/..data`),
  '..data leads to a file': async directory => {
    await writeFile(`${directory}/${old}`, 'old')
    await symlink(old, `${directory}/..data`)
  },
  '..data leads to itself': directory =>
    symlink('..data', `${directory}/..data`),
  '..data_tmp is a directory': async directory => {
    await mkdir(`${directory}/..data_tmp/more`, { recursive: true })
  },
}

async function looksRight(
  t: Test,
  directory: string,
  value: string,
): Promise<void> {
  t.match(await readlink(`${directory}/..data`), /^\.\.\d{4}_/)
  t.equal(await readFile(`${directory}/a`, 'utf8'), value)
  const names = (await readdir(directory)).filter(
    name => !name.startsWith('..lost.'),
  )
  t.equal(names.length, 3, names.join(' '))
}

for (const [what, spoil] of Object.entries(spoilt))
  for (const known of [false, true])
    t.test(known ? `${what}, since the last write` : what, async t => {
      const directory = await makeTmpfsDirectory(t)
      const writer = new AtomicWriter(directory)
      if (known) {
        await writer.write(makePayload({ a: '0' }))
        await removeVolume(directory)
      }
      await spoil(directory)
      t.equal(await writer.write(makePayload({ a: '1' })), true)
      await looksRight(t, directory, '1')
      t.equal(await writer.write(makePayload({ a: '2' })), true)
      await looksRight(t, directory, '2')
      await removeVolume(directory)
      t.strictSame(await readdir(directory), [])
    })

/** A directory that lists what is not there, or is not empty when all in it is gone. */
function contradicting(code: string): {
  readonly fileSystem: VolumeFileSystem
  readonly goneWrong: () => number
} {
  let goneWrong = 0
  const fail = (path: string): boolean =>
    path.includes(old) && (goneWrong += 1) > 0
  const error = (): Promise<never> =>
    Promise.reject(Object.assign(new Error(code), { code }))
  return {
    goneWrong: () => goneWrong,
    fileSystem: {
      ...volumeFileSystem,
      rmdir: path =>
        fail(String(path)) ? error() : volumeFileSystem.rmdir(path),
      unlink: path =>
        fail(String(path)) ? error() : volumeFileSystem.unlink(path),
    },
  }
}

for (const code of ['ENOENT', 'ENOTEMPTY', 'ESTALE'])
  t.test(`a generation that cannot be removed: ${code}`, async t => {
    const directory = await makeTmpfsDirectory(t)
    await mkdir(`${directory}/${old}`)
    await writeFile(`${directory}/${old}/a`, '0')
    await symlink(old, `${directory}/..data`)
    await symlink('..data/a', `${directory}/a`)
    const { fileSystem, goneWrong } = contradicting(code)
    const writer = new AtomicWriter(directory, { fileSystem })
    t.equal(await writer.write(makePayload({ a: '1' })), true)
    t.ok(goneWrong() > 0)
    await looksRight(t, directory, '1')
    t.ok(
      (await readdir(directory)).some(name => name.startsWith('..lost.')),
      'it is aside',
    )
    t.equal(await writer.write(makePayload({ a: '2' })), true)
    await new AtomicWriter(directory).recover()
    t.equal((await readdir(directory)).length, 3, 'and goes when it can')
  })

t.test('what is not of the writer stays when the volume goes', async t => {
  const directory = await makeTmpfsDirectory(t)
  const writer = new AtomicWriter(directory)
  await writer.write(makePayload({ a: '1', 'd/b': '1' }))
  await writeFile(`${directory}/file`, 'mine')
  await mkdir(`${directory}/..2026`)
  const links = {
    away: '/etc/hostname',
    dangling: 'nowhere',
    short: 'file',
    // Into the volume, but not as the writer links.
    other: '..data/a',
    shown: './..data/shown',
    data: '..data',
    '..backup': '..data',
  }
  for (const [name, target] of Object.entries(links))
    await symlink(target, `${directory}/${name}`)
  await removeVolume(directory)
  t.strictSame(
    (await readdir(directory)).toSorted(),
    ['file', '..2026', ...Object.keys(links)].toSorted(),
  )
  t.equal(await readFile(`${directory}/file`, 'utf8'), 'mine')
})

t.test('a directory of volumes', async t => {
  const directory = await makeTmpfsDirectory(t)
  for (const name of ['one', 'two']) {
    await mkdir(`${directory}/${name}`)
    await new AtomicWriter(`${directory}/${name}`).write(
      makePayload({ a: '1', 'd/b': '1' }),
    )
  }
  await writeFile(`${directory}/two/file`, 'mine')
  await writeFile(`${directory}/file`, 'mine')
  await symlink('two', `${directory}/link`)
  await removeVolumes(directory)
  t.strictSame((await readdir(directory)).toSorted(), ['file', 'link', 'two'])
  t.strictSame(await readdir(`${directory}/two`), ['file'])
})

t.test('what was moved aside goes with the volume', async t => {
  const directory = await makeTmpfsDirectory(t)
  await new AtomicWriter(directory).write(makePayload({ a: '1' }))
  await mkdir(`${directory}/..lost.1/d`, { recursive: true })
  await writeFile(`${directory}/..lost.2`, '')
  await symlink('nowhere', `${directory}/..data_tmp`)
  await removeVolume(directory)
  t.strictSame(await readdir(directory), [])
})

t.test('no volume where there is no directory', async t => {
  const directory = await makeTmpfsDirectory(t)
  await writeFile(`${directory}/file`, '')
  await removeVolume(`${directory}/gone`)
  await removeVolume(`${directory}/file`)
  t.strictSame(await readdir(directory), ['file'])
  await t.rejects(removeVolume(`${directory}/${'x'.repeat(256)}`), {
    code: 'ENAMETOOLONG',
  })
})
