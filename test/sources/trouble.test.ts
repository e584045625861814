import { execFile } from 'node:child_process'
import {
  chmod,
  link,
  mkdir,
  open,
  rename,
  rm,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { systemClock, type Clock } from '../../src/util/clock.ts'
import {
  configMapYaml,
  follow,
  followDirectory,
  temporaryDirectory,
} from './live.ts'

/* What goes wrong around the sources: the last state stays, one line says so, it heals. */

const run = promisify(execFile)
const yaml = (value: string) => configMapYaml('cm', { k: value })

/** The rest of the test as nobody, whom modes keep out; root again at its end. */
function becomeNobody(t: Test): void {
  if (process.geteuid?.() !== 0) return
  process.setegid?.(65534)
  process.seteuid?.(65534)
  t.teardown(() => {
    process.seteuid?.(0)
    process.setegid?.(0)
  })
}

t.test('a file that may not be read', async t => {
  becomeNobody(t)
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'cm.yaml')
  await writeFile(path, yaml('v'))
  const manifests = await follow(t, [directory])
  const keys = await followDirectory(t, directory)
  for (let i = 0; i < 2; i++) {
    await rename(path, `${path}~`)
    await writeFile(`${path}.new`, yaml(`w${i}`), { mode: 0 })
    await rename(`${path}.new`, path)
    for (const live of [manifests, keys]) {
      await live.until(() => live.lines.length === i + 1, 'told')
      t.equal(
        live.lines[i],
        `${path}:1:1: permission denied; what was read before stays`,
      )
      t.equal(live.deleted.length, 0)
    }
    // It is tried again, and told no more.
    await delay(1200)
    t.equal(manifests.lines.length, i + 1)
    await chmod(path, 0o644)
    await manifests.until(() => manifests.value('cm') === `w${i}`, 'healed')
    await keys.until(
      () => keys.value('cm', 'cm.yaml') === yaml(`w${i}`),
      'healed',
    )
  }
})

t.test('of a directory that is away, no file is mended', async t => {
  becomeNobody(t)
  const directory = join(await temporaryDirectory(t), 'dir')
  const path = join(directory, 'k')
  await mkdir(directory)
  await writeFile(path, 'v')
  const live = await followDirectory(t, directory)
  await chmod(path, 0)
  await live.until(() => live.lines.length > 0, 'not readable')
  await rename(directory, `${directory}-away`)
  await live.until(() => live.lines.length > 1, 'away')
  await delay(700)
  t.strictSame(live.mended, [])
  await rename(`${directory}-away`, directory)
  await live.until(() => live.mended.length > 0, 'back')
  t.strictSame(live.mended, [directory])
  await chmod(path, 0o644)
  await live.until(() => live.mended.length > 1, 'readable')
  t.strictSame(live.mended, [directory, path])
})

t.test(
  'a directory that may not be read: one line, not one for each file',
  async t => {
    becomeNobody(t)
    const directory = await temporaryDirectory(t)
    const sub = join(directory, 'sub')
    await mkdir(sub)
    for (let i = 0; i < 30; i++)
      await writeFile(
        join(sub, `f${i}.yaml`),
        configMapYaml(`f${i}`, { k: 'v' }),
      )
    const manifests = await follow(t, [directory])
    const keys = await followDirectory(t, sub)
    t.teardown(() => chmod(sub, 0o755))
    await chmod(sub, 0)
    // Makes both look around.
    await writeFile(
      join(directory, 'new.yaml'),
      configMapYaml('new', { k: 'v' }),
    )
    await manifests.until(
      () => manifests.value('new') === 'v',
      'the others go on',
    )
    for (const live of [manifests, keys]) {
      await live.until(() => live.lines.length > 0, 'told')
      await delay(1200)
      t.same(live.lines, [
        `${sub}:1:1: permission denied; what was read before stays`,
      ])
      t.same(live.deleted, [])
    }
    await chmod(sub, 0o755)
    await writeFile(join(sub, 'f0.yaml'), configMapYaml('f0', { k: 'w' }))
    await manifests.until(() => manifests.value('f0') === 'w', 'healed')
    await keys.until(
      () => keys.value('cm', 'f0.yaml')?.includes('"w"') === true,
      'healed',
    )
    t.equal(keys.store.get('ConfigMap', 'default', 'cm')?.data.size, 30)
  },
)

t.test(
  'a key of a directory that may not be read is an error at the start',
  async t => {
    becomeNobody(t)
    const directory = await temporaryDirectory(t)
    await writeFile(join(directory, 'k'), 'v', { mode: 0 })
    await t.rejects(followDirectory(t, directory), {
      code: 'SOURCE_UNREADABLE',
      message: `${join(directory, 'k')}: permission denied`,
    })
  },
)

t.test(
  'a PATH that is away keeps what it had; a removed file does not',
  async t => {
    const top = await temporaryDirectory(t)
    const directory = join(top, 'dir')
    const path = join(directory, 'cm.yaml')
    await mkdir(directory)
    await writeFile(path, yaml('v'))
    const lives = {
      file: await follow(t, [path]),
      directory: await follow(t, [directory]),
      keys: await followDirectory(t, directory),
    }
    await rename(directory, `${directory}-away`)
    for (const [which, live] of Object.entries(lives)) {
      await live.until(() => live.lines.length > 0, `${which}: told`)
      await delay(500)
      t.same(live.lines, [
        `${which === 'file' ? path : directory}:1:1: no such file or directory; what was read before stays`,
      ])
      t.same(live.deleted, [])
      t.ok(live.store.get('ConfigMap', 'default', 'cm')?.data.size === 1)
    }
    await mkdir(directory)
    await writeFile(path, yaml('w'))
    await lives.file.until(() => lives.file.value('cm') === 'w', 'back')
    await lives.directory.until(
      () => lives.directory.value('cm') === 'w',
      'back',
    )
    await lives.keys.until(
      () => lives.keys.value('cm', 'cm.yaml') === yaml('w'),
      'back',
    )
    await unlink(path)
    for (const live of [lives.file, lives.directory])
      await live.until(() => live.deleted.length === 1, 'removed')
    await lives.keys.until(
      () => lives.keys.value('cm', 'cm.yaml') === undefined,
      'removed',
    )
  },
)

t.test('no file, and what is in the way of one: nothing hangs', async t => {
  const directory = await temporaryDirectory(t)
  await run('mkfifo', [join(directory, 'pipe.yaml'), join(directory, 'pipe')])
  await mkdir(join(directory, 'directory.yaml'))
  await symlink('loop.yaml', join(directory, 'loop.yaml'))
  await symlink('/dev/zero', join(directory, 'zero.yaml'))
  await writeFile(join(directory, 'cm.yaml'), yaml('v'))
  const manifests = await follow(t, [directory])
  const keys = await followDirectory(t, directory)
  await writeFile(join(directory, 'cm.yaml'), yaml('w'))
  await manifests.until(() => manifests.value('cm') === 'w', 'seen')
  await keys.until(() => keys.value('cm', 'cm.yaml') === yaml('w'), 'seen')
  t.same(
    [...(keys.store.get('ConfigMap', 'default', 'cm')?.data.keys() ?? [])],
    ['cm.yaml'],
  )
  t.same(manifests.lines, [])
})

t.test(
  '-f of a pipe, as a shell makes it of <(COMMAND): read once',
  async t => {
    const directory = await temporaryDirectory(t)
    const pipe = join(directory, 'pipe')
    await run('mkfifo', [pipe])
    const [live] = await Promise.all([
      follow(t, [pipe]),
      writeFile(pipe, yaml('v')),
    ])
    t.equal(live.value('cm'), 'v')
    t.same(live.lines, [])
  },
)

t.test('a link in place of a file: its target is followed', async t => {
  const top = await temporaryDirectory(t)
  const directory = join(top, 'dir')
  await mkdir(directory)
  const [path, elsewhere] = [
    join(directory, 'cm.yaml'),
    join(top, 'elsewhere.yaml'),
  ]
  await writeFile(path, yaml('v'))
  const live = await follow(t, [directory])
  await writeFile(elsewhere, yaml('w'))
  await run('ln', ['-sf', elsewhere, path])
  await live.until(() => live.value('cm') === 'w', 'linked')
  for (let i = 0; i < 3; i++) {
    await writeFile(elsewhere, yaml(`w${i}`))
    await live.until(() => live.value('cm') === `w${i}`, 'the target edited')
  }
  t.same(live.deleted, [])
  t.same(live.lines, [])
})

t.test(
  'written through a hard link elsewhere: seen within a second',
  async t => {
    const top = await temporaryDirectory(t)
    const directory = join(top, 'dir')
    await mkdir(directory)
    await writeFile(join(directory, 'cm.yaml'), yaml('v'))
    await link(join(directory, 'cm.yaml'), join(top, 'other'))
    const manifests = await follow(t, [directory])
    const keys = await followDirectory(t, directory)
    for (let i = 0; i < 2; i++) {
      await writeFile(join(top, 'other'), yaml(`w${i}`))
      await manifests.until(() => manifests.value('cm') === `w${i}`, 'seen')
      await keys.until(
        () => keys.value('cm', 'cm.yaml') === yaml(`w${i}`),
        'seen',
      )
    }
  },
)

t.test('an emptied file that gets its old content back', async t => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'k'), 'v')
  const live = await followDirectory(t, directory)
  await truncate(join(directory, 'k'))
  await live.until(() => live.value('cm') === '', 'empty after two seconds')
  await writeFile(join(directory, 'k'), 'v')
  await live.until(() => live.value('cm') === 'v', 'full again')
})

t.test('files that are far too large are not read', async t => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'cm.yaml'), yaml('v'))
  const manifests = await follow(t, [directory])
  const keys = await followDirectory(t, directory)
  const before = process.memoryUsage.rss()
  // Sparse: as large as a disk image, and on no disk.
  for (const name of ['big.yaml', 'bigger.yaml']) {
    const file = await open(join(directory, name), 'w')
    await file.truncate(8 * 2 ** 30)
    await file.close()
  }
  await manifests.until(() => manifests.lines.length === 2, 'told')
  t.match(
    manifests.lines[0],
    /big(ger)?\.yaml:1:1: not read: the file has 8589934592 bytes, more than 33554432$/,
  )
  await keys.until(() => keys.lines.length > 0, 'told')
  const limit = `${directory}:1:1: data: Too long: may not be more than 1048576 bytes`
  t.same(keys.lines, [limit])
  t.match(
    keys.findings[0]?.fix,
    /^move elsewhere what is largest: big(ger)?\.yaml \(8589934592 bytes\), /,
  )
  t.ok(process.memoryUsage.rss() - before < 100 * 2 ** 20, 'memory')
  await rm(join(directory, 'big.yaml'))
  await rm(join(directory, 'bigger.yaml'))
  await writeFile(join(directory, 'cm.yaml'), yaml('w'))
  await manifests.until(() => manifests.value('cm') === 'w', 'goes on')
  await keys.until(() => keys.value('cm', 'cm.yaml') === yaml('w'), 'goes on')
})

t.test('files that fit only when others have gone', async t => {
  const directory = await temporaryDirectory(t)
  const half = 'x'.repeat(600 * 1024)
  await writeFile(join(directory, 'a'), half)
  const live = await followDirectory(t, directory)
  await writeFile(join(directory, 'b'), half)
  await live.until(() => live.lines.length === 1, 'told')
  t.equal(
    live.findings[0]?.fix,
    'move elsewhere what is largest: a (614400 bytes), b (614400 bytes)',
  )
  // As a log does: still the same mistake.
  await writeFile(join(directory, 'b'), `${half}x`)
  await delay(300)
  t.equal(live.lines.length, 1)
  await unlink(join(directory, 'a'))
  await live.until(() => live.value('cm', 'b') === `${half}x`, 'fits')
  t.equal(live.value('cm', 'a'), undefined)
})

t.test('a name that begins with two dots is no key: told once', async t => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, '..name'), 'x')
  await writeFile(join(directory, 'k'), 'v')
  const live = await followDirectory(t, directory)
  await writeFile(join(directory, '..name'), 'y')
  await writeFile(join(directory, 'k'), 'w')
  await live.until(() => live.value('cm') === 'w', 'goes on')
  t.same(live.lines, [
    `${directory}/..name:1:1: left out: must not start with '..'`,
  ])
})

t.test('a file that is new for a moment only is never a key', async t => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'k'), 'v')
  const live = await followDirectory(t, directory)
  const keys = new Set<string>()
  live.store.watch(() => {
    for (const key of live.store
      .get('ConfigMap', 'default', 'cm')
      ?.data.keys() ?? [])
      keys.add(key)
  })
  for (let i = 0; i < 20; i++) {
    await writeFile(join(directory, '.k.new'), `v${i}`)
    await delay(i * 2)
    await rename(join(directory, '.k.new'), join(directory, 'k'))
    await live.until(() => live.value('cm') === `v${i}`, `save ${i}`)
  }
  t.same([...keys], ['k'])
})

t.test('more happens than the queue of inotify holds', async t => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'cm.yaml')
  await writeFile(path, yaml('v'))
  const manifests = await follow(t, [directory])
  const keys = await followDirectory(t, directory)
  // Until no look at the file is due any more.
  await delay(500)
  // Nothing is heard while this runs: fs.inotify.max_queued_events, 16384 mostly, overflows.
  const noise = ['noise0~', 'noise1~'].map(name => join(directory, name))
  for (const name of noise) writeFileSync(name, '')
  for (let i = 0; i < 20_000; i++) chmodSync(noise[i % 2] ?? '', 0o644)
  writeFileSync(path, yaml('w'))
  await manifests.until(() => manifests.value('cm') === 'w', 'seen')
  await keys.until(() => keys.value('cm', 'cm.yaml') === yaml('w'), 'seen')
})

for (const hours of [-24, 24]) {
  t.test(`the time of day is set by ${hours} hours`, async t => {
    const directory = await temporaryDirectory(t)
    const [a, b] = [join(directory, 'a.yaml'), join(directory, 'b.yaml')]
    await writeFile(a, configMapYaml('a', { k: 'v' }))
    await writeFile(b, configMapYaml('b', { k: 'v' }))
    let jump = 0
    const clock: Clock = { ...systemClock, now: () => Date.now() + jump }
    const manifests = await follow(t, [directory], { clock })
    const keys = await followDirectory(t, directory, { clock })
    // In the middle of both waiting for what is gone, and for what is wrong.
    await unlink(b)
    await writeFile(a, 'kind: [\n')
    await delay(20)
    jump = hours * 3_600_000
    await manifests.until(() => manifests.deleted.length === 1, 'b is gone')
    await manifests.until(() => manifests.lines.length === 1, 'a is wrong')
    await keys.until(
      () => keys.value('cm', 'b.yaml') === undefined,
      'b is gone',
    )
    await truncate(a)
    await delay(1000)
    t.equal(manifests.lines.length, 1, 'empty for a second: not yet believed')
    await writeFile(a, configMapYaml('a', { k: 'w' }))
    await manifests.until(() => manifests.value('a') === 'w', 'goes on')
  })
}
