/*
 * Volumes that no writer leaves, not one that was killed either: the next write puts them right.
 */
import {
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  unlink,
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
  count = 3,
): Promise<void> {
  t.match(await readlink(`${directory}/..data`), /^\.\.\d{4}_/)
  t.equal(await readFile(`${directory}/a`, 'utf8'), value)
  const names = (await readdir(directory)).filter(
    name => !name.startsWith('..lost.'),
  )
  t.equal(names.length, count, names.join(' '))
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

/** The file system, of which each call that `fails` names ends in an error. */
function failing(fails: (call: string, path: string) => string | undefined): {
  readonly fileSystem: VolumeFileSystem
  readonly calls: string[]
} {
  const calls: string[] = []
  const fileSystem = Object.fromEntries(
    Object.entries(volumeFileSystem).map(([name, call]) => [
      name,
      (...args: unknown[]) => {
        const path = String(args[name === 'symlink' ? 1 : 0])
        const code = fails(name, path)
        calls.push(`${name} ${path.slice(path.lastIndexOf('/') + 1)}`)
        return code === undefined
          ? (call as (...args: unknown[]) => unknown)(...args)
          : Promise.reject(Object.assign(new Error(code), { code }))
      },
    ]),
  ) as unknown as VolumeFileSystem
  return { fileSystem, calls }
}

/** Twice what is wrong: a write fails of it, and the next one of the same writer is whole. */
async function failsOnce(
  t: Test,
  code: string,
  isMeant: (call: string, path: string) => boolean,
): Promise<string[]> {
  const directory = await makeTmpfsDirectory(t)
  let left = 0
  const { fileSystem, calls } = failing((call, path) =>
    left > 0 && isMeant(call, path) && left-- > 0 ? code : undefined,
  )
  const writer = new AtomicWriter(directory, { fileSystem })
  await writer.write(makePayload({ a: '1', b: '1', 'd/x': '1' }))
  left = 1
  const next = makePayload({ a: '2', b: '1', 'd/x': '1' })
  await t.rejects(writer.write(next), { code })
  const aside = (await readdir(directory)).filter(name =>
    name.startsWith('..lost.'),
  )
  t.strictSame(aside, [], 'nothing is moved aside')
  calls.length = 0
  t.equal(await writer.write(makePayload({ a: '3', b: '1' })), true)
  await looksRight(t, directory, '3', 4)
  return calls
}

for (const code of ['EROFS', 'ENOSPC', 'EBUSY', 'ENOTCONN', 'ECONNABORTED'])
  t.test(`what could be done later is left undone: ${code}`, async t => {
    await failsOnce(t, code, (call, path) =>
      call === 'unlink' ? path.includes('..20') : false,
    )
  })

for (const code of ['EROFS', 'ENOSPC', 'EBUSY', 'ENOTCONN', 'ECONNABORTED'])
  for (const [call, name] of [
    ['unlink', '..data_tmp'],
    ['readlink', '..data'],
  ] as const)
    t.test(`a recovery leaves it, too: ${code} of ${name}`, async t => {
      const directory = await makeTmpfsDirectory(t)
      await new AtomicWriter(directory).write(makePayload({ a: '1' }))
      await symlink('..nowhere', `${directory}/..data_tmp`)
      const { fileSystem } = failing((its, path) =>
        its === call && path.endsWith(`/${name}`) ? code : undefined,
      )
      const writer = new AtomicWriter(directory, { fileSystem })
      await t.rejects(writer.recover(), { code })
      await new AtomicWriter(directory).recover()
      await looksRight(t, directory, '1')
    })

t.test('what can be neither removed nor moved aside', async t => {
  for (const [code, works] of [
    ['ENOENT', true],
    ['EIO', false],
  ] as const) {
    const directory = await makeTmpfsDirectory(t)
    await new AtomicWriter(directory).write(makePayload({ a: '1' }))
    const { fileSystem } = failing((call, path) =>
      path.includes('..20') && call === 'unlink'
        ? 'ENOENT'
        : path.includes('..20') && call === 'rename'
          ? code
          : undefined,
    )
    const writer = new AtomicWriter(directory, { fileSystem })
    const written = writer.write(makePayload({ a: '2' }))
    if (works) t.equal(await written, true, 'it is listed, and not there')
    else
      await t.rejects(written, { code: 'ENOENT' }, 'the first failure counts')
    t.equal(await readFile(`${directory}/a`, 'utf8'), '2')
  }
})

t.test('an owner has the group of all', async t => {
  if (process.getuid?.() !== 0) return t.comment('only root gives a file away')
  const directory = await makeTmpfsDirectory(t)
  await new AtomicWriter(directory).write(
    makePayload({ token: { data: '1', fsUser: 1000 } }),
  )
  const { uid, gid } = await stat(`${directory}/token`)
  t.strictSame([uid, gid], [1000, process.getgid?.()])
})

t.test('the link of now cannot be read: nothing is begun anew', async t => {
  for (const code of ['EIO', 'ENOTCONN', 'EROFS'])
    await failsOnce(
      t,
      code,
      (call, path) => call === 'readlink' && path.endsWith('/..data'),
    )
})

t.test('one visible link cannot be removed: the others go', async t => {
  const directory = await makeTmpfsDirectory(t)
  const { fileSystem } = failing((call, path) =>
    call === 'unlink' && path.endsWith('/b') && !path.includes('..')
      ? 'EACCES'
      : undefined,
  )
  const writer = new AtomicWriter(directory, { fileSystem })
  await writer.write(makePayload({ a: '1', b: '1', c: '1', e: '1' }))
  await unlink(`${directory}/c`)
  await t.rejects(writer.write(makePayload({ a: '2' })), { code: 'EACCES' })
  const names = await readdir(directory)
  t.strictSame(
    names.filter(name => !name.startsWith('..')).toSorted(),
    ['a', 'b'],
    'and one that is gone is no failure',
  )
  t.equal(await readFile(`${directory}/a`, 'utf8'), '2', 'it is published')
})

t.test('what has taken the place of a link stays', async t => {
  const directory = await makeTmpfsDirectory(t)
  const writer = new AtomicWriter(directory)
  await writer.write(makePayload({ a: '1', b: '1' }))
  for (const name of ['a', 'b']) {
    await unlink(`${directory}/${name}`)
    await mkdir(`${directory}/${name}`)
  }
  const anew = new AtomicWriter(directory)
  t.equal(await anew.write(makePayload({ a: '2', b: '1' })), true)
  t.equal(await anew.write(makePayload({ a: '3' })), true, 'b is to go')
  t.equal(await readFile(`${directory}/..data/a`, 'utf8'), '3')
  t.strictSame(
    (await readdir(directory)).filter(name => !name.startsWith('..')),
    ['a', 'b'],
  )
  t.equal(await anew.write(makePayload({ a: '3' })), false)
})

t.test('a name that is taken already', async t => {
  const directory = await makeTmpfsDirectory(t)
  let taken = 2
  const { fileSystem } = failing(call =>
    call === 'mkdir' && taken-- > 0 ? 'EEXIST' : undefined,
  )
  const writer = new AtomicWriter(directory, { fileSystem })
  t.equal(await writer.write(makePayload({ a: '1' })), true)
  await looksRight(t, directory, '1')
})

t.test('a group that an ordinary user may not give', async t => {
  const directory = await makeTmpfsDirectory(t)
  const { fileSystem } = failing(call =>
    call === 'lchown' ? 'EPERM' : undefined,
  )
  const writer = new AtomicWriter(directory, { fileSystem })
  const options = { fsGroup: 2000 }
  t.equal(await writer.write(makePayload({ a: '1' }), options), true)
  await looksRight(t, directory, '1')
  const { fileSystem: broken } = failing(call =>
    call === 'lchown' ? 'EIO' : undefined,
  )
  await t.rejects(
    new AtomicWriter(directory, { fileSystem: broken }).write(
      makePayload({ a: '2' }),
      options,
    ),
    { code: 'EIO' },
  )
})

t.test('a link of a path that is nested stays', async t => {
  const directory = await makeTmpfsDirectory(t)
  const { fileSystem, calls } = failing(() => undefined)
  const writer = new AtomicWriter(directory, { fileSystem })
  await writer.write(makePayload({ 'd/x': '1', 'd/y': '1' }))
  calls.length = 0
  await writer.write(makePayload({ 'd/x': '1' }))
  t.strictSame(
    calls.filter(call => call.startsWith('unlink')).toSorted(),
    ['unlink x', 'unlink y'],
    'of the old generation',
  )
})

t.test(
  'what it has published itself it does not read to see a change',
  async t => {
    const directory = await makeTmpfsDirectory(t)
    const { fileSystem, calls } = failing(() => undefined)
    const writer = new AtomicWriter(directory, { fileSystem })
    const files = makePayload({ a: '1', b: '1' })
    await writer.write(files)
    calls.length = 0
    await writer.write(makePayload({ a: '2', b: '1' }))
    t.notOk(
      calls.some(call => call.startsWith('readFile')),
      'a change',
    )
    t.notOk(calls.includes('readlink a'), 'nor its own links')
    calls.length = 0
    await writer.write(makePayload({ a: '2', b: '1' }))
    t.ok(
      calls.includes('readFile a') && calls.includes('readFile b'),
      'no change',
    )
    calls.length = 0
    const anew = new AtomicWriter(directory, { fileSystem })
    t.equal(await anew.write(makePayload({ a: '2', b: '1' })), false)
    calls.length = 0
    t.equal(await anew.write(makePayload({ a: '3', b: '1' })), true)
    t.notOk(
      calls.some(call => call.startsWith('readFile')),
      'what it has found there it knows, too',
    )
  },
)

t.test(
  'the mode of a file needs no second call unless a umask takes of it',
  async t => {
    const directory = await makeTmpfsDirectory(t)
    const { fileSystem, calls } = failing(() => undefined)
    await new AtomicWriter(directory, { fileSystem }).write(
      makePayload({
        plain: { data: '1', mode: 0o755 },
        group: { data: '1', mode: 0o664 },
      }),
    )
    t.ok(calls.includes('chmod group'))
    t.notOk(calls.includes('chmod plain'))
  },
)

t.test('recovery takes away only what is the writer’s', async t => {
  const directory = await makeTmpfsDirectory(t)
  await new AtomicWriter(directory).write(makePayload({ a: '1' }))
  const mine = [
    'x..2026_01_01_00_00_00.1',
    '..2026_01_01_00_00_00.1x',
    'x..lost.1',
    '..lost.1x',
  ]
  for (const name of mine) await mkdir(`${directory}/${name}`)
  await symlink('..data/b', `${directory}/..b`)
  await symlink('..data/other', `${directory}/c`)
  const names = (await readdir(directory)).toSorted()
  await new AtomicWriter(directory).recover()
  t.strictSame((await readdir(directory)).toSorted(), names)
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
  const elsewhere = await makeTmpfsDirectory(t)
  await new AtomicWriter(elsewhere).write(makePayload({ a: '1' }))
  await symlink(elsewhere, `${directory}/elsewhere`)
  await removeVolumes(directory)
  t.strictSame((await readdir(directory)).toSorted(), [
    'elsewhere',
    'file',
    'link',
    'two',
  ])
  await looksRight(t, elsewhere, '1')
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
