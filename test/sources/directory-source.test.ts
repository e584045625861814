import { mkdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { followDirectory, temporaryDirectory, type Live } from './live.ts'

const get = (live: Live) => live.store.get('ConfigMap', 'default', 'cm')

t.test('keys by the rules of --from-file', async t => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'text'), 'hällo\n')
  await writeFile(join(directory, '.dot'), '')
  await writeFile(join(directory, 'binary'), Buffer.from([0xff, 0, 1]))
  await writeFile(join(directory, 'bad name'), 'x')
  await mkdir(join(directory, 'sub'))
  await writeFile(join(directory, 'sub', 'inside'), 'x')
  await symlink('text', join(directory, 'link'))
  for (const name of ['a~', '#a#', '.#a', '.a.swp', '.a.swx', '4913']) {
    await writeFile(join(directory, name), 'x').catch(() => undefined)
  }
  const live = await followDirectory(t, directory)
  const configMap = get(live)
  t.same(
    [...(configMap?.data ?? [])],
    [
      ['.dot', ''],
      ['text', 'hällo\n'],
    ],
  )
  t.same(
    [...(configMap?.binaryData ?? [])],
    [['binary', new Uint8Array([0xff, 0, 1])]],
  )
  t.same([...live.lines].sort(), [
    `${directory}/bad name:1:1: left out: a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
    `${directory}/link:1:1: ignored: a symbolic link; only regular files become keys`,
  ])
  await writeFile(join(directory, 'new'), 'n')
  await live.until(() => get(live)?.data.get('new') === 'n', 'a new key')
  await unlink(join(directory, 'text'))
  await live.until(() => get(live)?.data.has('text') === false, 'a key less')
  t.equal(live.lines.length, 2, 'each told once')
})

t.test('200 edits by writeFile, 100 by rename', async t => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'k')
  await writeFile(path, 'v')
  const live = await followDirectory(t, directory)
  const seen = new Set<string | undefined>()
  live.store.watch(([event]) => {
    if (event?.object.kind === 'ConfigMap') {
      seen.add(event.object.data.get('k')?.replace(/\d+.*/s, ''))
    }
  })
  for (let i = 0; i < 200; i++) {
    const text = `v${i}${'x'.repeat(5000)}`
    await writeFile(path, text)
    await live.until(() => live.value('cm') === text, `write ${i}`)
  }
  for (let i = 0; i < 100; i++) {
    await writeFile(join(directory, '.k.swp'), `r${i}`)
    await rename(join(directory, '.k.swp'), path)
    await live.until(() => live.value('cm') === `r${i}`, `rename ${i}`)
  }
  t.same([...seen], ['v', 'r'], 'never empty, never without the key')
  t.same(live.deleted, [])
})

t.test('files saved together arrive together', async t => {
  const directory = await temporaryDirectory(t)
  for (let i = 0; i < 20; i++) await writeFile(join(directory, `f${i}`), '0')
  const live = await followDirectory(t, directory)
  const before = live.batches.length
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      writeFile(join(directory, `f${i}`), '1'),
    ),
  )
  await live.until(
    () => [...(get(live)?.data.values() ?? [])].every(value => value === '1'),
    'all files',
  )
  t.ok(live.batches.length - before <= 3, 'few generations, not twenty')
})

t.test('a published volume, through ten swaps', async t => {
  const directory = await temporaryDirectory(t)
  const publish = async (i: number, names: readonly string[]) => {
    await mkdir(join(directory, `..ts${i}`))
    for (const name of names) {
      await writeFile(join(directory, `..ts${i}`, name), `v${i}`)
    }
    await symlink(`..ts${i}`, join(directory, '..data_tmp'))
    await rename(join(directory, '..data_tmp'), join(directory, '..data'))
  }
  await publish(0, ['a', 'b'])
  await symlink('..data/a', join(directory, 'a'))
  await symlink('..data/b', join(directory, 'b'))
  const live = await followDirectory(t, directory)
  for (let i = 1; i <= 10; i++) {
    await publish(i, ['a', 'b'])
    await rm(join(directory, `..ts${i - 1}`), { recursive: true })
    await live.until(
      () =>
        live.value('cm', 'a') === `v${i}` && live.value('cm', 'b') === `v${i}`,
      `swap ${i}`,
    )
  }
  t.same(live.lines, [])
  t.same(live.deleted, [])
})

t.test('the directory itself is replaced', async t => {
  const parent = await temporaryDirectory(t)
  const directory = join(parent, 'dir')
  await mkdir(directory)
  await writeFile(join(directory, 'k'), 'v')
  const live = await followDirectory(t, directory)
  for (let i = 0; i < 3; i++) {
    const next = join(parent, `next${i}`)
    await mkdir(next)
    await writeFile(join(next, 'k'), `r${i}`)
    await rename(directory, join(parent, `old${i}`))
    await rename(next, directory)
    await live.until(() => live.value('cm') === `r${i}`, `replaced ${i}`)
    await writeFile(join(directory, 'k'), `e${i}`)
    await live.until(() => live.value('cm') === `e${i}`, `edited ${i}`)
  }
  t.same(live.lines, [])
})

t.test('more than 1 MiB: what was served stays', async t => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'k'), 'v')
  const live = await followDirectory(t, directory)
  await writeFile(join(directory, 'big'), Buffer.alloc(1024 * 1024, 120))
  await live.until(() => live.lines.length > 0, 'the error')
  t.same(live.lines, [
    `${directory}:1:1: data: Too long: may not be more than 1048576 bytes`,
  ])
  t.equal(live.value('cm'), 'v')
  t.strictSame(live.mended, [])
  await unlink(join(directory, 'big'))
  await writeFile(join(directory, 'k'), 'w')
  await live.until(() => live.value('cm') === 'w', 'healed')
  await live.until(() => live.mended.length > 0, 'mended')
  t.strictSame(live.mended, [directory])
})

t.test('no such directory', async t => {
  const absent = join(await temporaryDirectory(t), 'absent/x')
  await t.rejects(followDirectory(t, absent), {
    code: 'SOURCE_UNREADABLE',
    message: `${absent}: no such file or directory`,
  })
})
