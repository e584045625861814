import { execFile } from 'node:child_process'
import { renameSync, symlinkSync } from 'node:fs'
import {
  copyFile,
  mkdir,
  open,
  rename,
  rm,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { ManifestFiles } from '../../src/sources/manifests/manifest-files.ts'
import { configMapYaml, follow, Live, temporaryDirectory } from './live.ts'
import { capability } from '../helpers/capability.ts'
import { eventually } from '../helpers/podfs.ts'

const run = promisify(execFile)
/** Debian's smallest one has no plain name. */
const vim = ['vim', 'vim.tiny'].find(name => capability(name) === false)
const padding = { p1: 'x'.repeat(3000), p2: 'y'.repeat(3000) }
const yaml = (value: string) => configMapYaml('cm', { k: value, ...padding })

/** Each way of saving a file, 200 (or `times`) times, from a version to the next. */
const saves: Readonly<
  Record<
    string,
    {
      readonly times: number
      readonly skip?: string | false
      save: (path: string, text: string, i: number) => Promise<unknown>
    }
  >
> = {
  cp: {
    times: 200,
    save: async (path, text) => {
      await writeFile(`${path}.new`, text)
      await run('cp', [`${path}.new`, path])
    },
  },
  'writeFile of Node': {
    times: 200,
    save: (path, text) => writeFile(path, text),
  },
  'dd with a small block size': {
    times: 40,
    save: async (path, text) => {
      await writeFile(`${path}.new`, text)
      await run('dd', [`if=${path}.new`, `of=${path}`, 'bs=512', 'status=none'])
    },
  },
  'rename over the old file': {
    times: 100,
    save: async (path, text) => {
      await writeFile(`${path}.tmp`, text)
      await rename(`${path}.tmp`, path)
    },
  },
  'vim: away to a backup, a new file, the backup removed': {
    times: 100,
    save: async (path, text) => {
      await rename(path, `${path}~`)
      await writeFile(path, text)
      await unlink(`${path}~`)
    },
  },
  'vim with backupcopy=yes': {
    times: 50,
    save: async (path, text) => {
      await copyFile(path, `${path}~`)
      await writeFile(path, text)
      await unlink(`${path}~`)
    },
  },
  'vim itself': {
    times: 10,
    skip: vim === undefined && 'needs vim',
    save: async (path, _text, i) =>
      run(vim ?? '', [
        '-N',
        '-u',
        'NONE',
        '-n',
        '-es',
        '-c',
        `%s/k: "v\\d*"/k: "v${i}"/`,
        '-c',
        'wq',
        path,
      ]),
  },
  'sed -i': {
    times: 50,
    save: async (path, _text, i) =>
      run('sed', ['-i', `s/k: "v[0-9]*"/k: "v${i}"/`, path]),
  },
}

for (const [name, { times, save, skip = false }] of Object.entries(saves)) {
  t.test(`no edit is lost: ${times} times ${name}`, { skip }, async t => {
    const directory = await temporaryDirectory(t)
    const path = join(directory, 'cm.yaml')
    await writeFile(path, yaml('v'))
    const live = await follow(t, [directory])
    for (let i = 1; i <= times; i++) {
      await save(path, yaml(`v${i}`), i)
      await live.until(() => live.value('cm') === `v${i}`, `${name} ${i}`)
    }
    t.same(live.deleted, [], 'never lost in between')
    t.same(live.lines, [], 'no mistake seen in what was half-written')
  })
}

t.test('saves without a pause: the last one wins', async t => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'cm.yaml')
  await writeFile(path, yaml('v'))
  const live = await follow(t, [path])
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 20; i++) await writeFile(path, yaml(`${round}-${i}`))
    await live.until(() => live.value('cm') === `${round}-19`, `round ${round}`)
  }
  t.same(live.deleted, [])
  t.same(live.lines, [])
})

t.test('a generator that writes one line every 20 ms', async t => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'all.yaml')
  const text = (value: string) =>
    ['a', 'b', 'c', 'd']
      .map(name => configMapYaml(name, { k: value }))
      .join('---\n')
  await writeFile(path, text('old'))
  const live = await follow(t, [directory])
  const file = await open(path, 'w')
  for (const line of text('new').split(/(?<=\n)/)) {
    await file.write(line)
    await delay(20)
  }
  await file.close()
  await live.until(() => live.value('d') === 'new', 'the last object')
  for (const name of ['a', 'b', 'c']) t.equal(live.value(name), 'new')
  t.same(live.deleted, [])
  t.same(live.lines, [])
})

t.test('an empty file keeps its objects and is told of once', async t => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'cm.yaml')
  await writeFile(path, yaml('v'))
  const live = new Live()
  const source = new ManifestFiles({ ...live.options, paths: [directory] })
  t.teardown(() => source.close())
  await source.start()
  t.ok(source.isSound)
  await truncate(path)
  await live.until(() => live.lines.length > 0, 'the warning')
  t.notOk(source.isSound, 'nobody knows what it was to say')
  t.same(live.lines, [
    `${path}:1:1: the file is empty; the objects it had are kept until it is removed`,
  ])
  t.equal(live.value('cm'), 'v')
  await writeFile(path, yaml('w'))
  await live.until(() => live.value('cm') === 'w', 'the new content')
  t.ok(source.isSound)
  t.same(live.deleted, [])
})

t.test('which of two files has an object hangs on their names', async t => {
  const directory = await temporaryDirectory(t)
  const paths = ['b', 'a', 'c'].map(name => join(directory, `${name}.yaml`))
  for (const path of paths) await writeFile(path, yaml(path))
  for (const watch of [false, true]) {
    const live = await follow(t, paths, { watch })
    const [b, a, c] = paths
    t.equal(live.value('cm'), a)
    t.same(
      live.lines,
      [b, c].map(
        path =>
          `${path}:1:1: ConfigMap default/cm: already defined in ${a}:1:1; that one is used`,
      ),
    )
  }
})

t.test('a parse error keeps the objects, is told once, and heals', async t => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'cm.yaml')
  await writeFile(path, yaml('v'))
  const live = await follow(t, [directory])
  const broken = 'apiVersion: v1\nkind: [\n'
  for (let i = 0; i < 2; i++) {
    await writeFile(path, broken)
    await live.until(() => live.lines.length === i + 1, 'the error')
    t.match(live.lines[i], /^\S+cm\.yaml:\d+:\d+: not YAML: /)
    t.equal(live.value('cm'), 'v')
    // The same mistake in other words of the file is the same mistake.
    await writeFile(path, `# again\n${broken}`)
    await delay(400)
    t.equal(live.lines.length, i + 1, 'one line for each mistake')
    await writeFile(path, yaml(`w${i}`))
    await live.until(() => live.value('cm') === `w${i}`, 'healed')
    await live.until(() => live.mended.length === i + 1, 'told once, too')
    await delay(300)
    await writeFile(path, yaml('v'))
    await live.until(() => live.value('cm') === 'v', 'back')
    await delay(300)
  }
  t.same(live.deleted, [])
})

t.test('a file is mended when its last mistake is', async t => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'cm.yaml')
  const invalid = (...keys: string[]): string =>
    yaml('v') + keys.map(key => `  ${key}: 1\n`).join('')
  await writeFile(path, yaml('v'))
  const live = await follow(t, [directory])
  await writeFile(path, invalid('a', 'b'))
  await live.until(() => live.lines.length === 2, 'both')
  await writeFile(path, 'kind: [')
  await live.until(() => live.lines.length === 3, 'others')
  await writeFile(path, '')
  await live.until(() => live.lines.length === 4, 'empty')
  await writeFile(path, invalid('b'))
  await live.until(() => live.lines.length === 5, 'one of them again')
  t.strictSame(live.mended, [])
  await unlink(path)
  await live.until(() => live.mended.length > 0, 'what is gone is not wrong')
  t.strictSame(live.mended, [path])
})

t.test('what is not read any more is not mended', async t => {
  const directory = await temporaryDirectory(t)
  const at = (name: string): string => join(directory, name)
  await mkdir(at('dir'))
  for (const name of ['dir/a.yaml', 'dir/b.yaml', 'c.yaml', 'd.yaml'])
    await writeFile(at(name), 'kind: [')
  const live = new Live()
  const paths = ['dir', 'c.yaml', 'd.yaml', 'nowhere'].map(at)
  const source = new ManifestFiles({ ...live.options, paths, patient: true })
  t.teardown(() => source.close())
  await source.start()
  t.equal(source.mistakes, 5)
  await writeFile(at('dir/.gitignore'), 'a.yaml')
  await eventually(() => source.mistakes === 4)
  await rm(at('d.yaml'))
  await live.until(
    () =>
      live.lines.at(-1) ===
      `${at('d.yaml')}:1:1: no such file or directory; podfs waits for it`,
    'a PATH that is away is another mistake',
  )
  source.setPaths(['dir', 'd.yaml'].map(at))
  await eventually(() => source.mistakes === 2)
  await writeFile(at('dir/b.yaml'), yaml('v'))
  await writeFile(at('d.yaml'), yaml('w').replace('cm', 'cm2'))
  await live.until(() => live.mended.length >= 2, 'mended')
  t.strictSame(live.mended.toSorted(), ['d.yaml', 'dir/b.yaml'].map(at))
})

t.test('an invalid object keeps its last good state; others go on', async t => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'both.yaml')
  const both = (a: string, b: string) =>
    `${configMapYaml('a', { k: a })}---\n${configMapYaml('b', { k: b })}`
  await writeFile(path, both('1', '1'))
  const live = await follow(t, [directory])
  await writeFile(path, both('2', '2').replace('k: "2"', 'k: 2'))
  await live.until(() => live.lines.length > 0, 'the error')
  t.same(live.lines, [
    `${path}:6:3: ConfigMap default/a: data[k]: must be a string, not a number`,
  ])
  t.equal(live.value('a'), '1')
  t.equal(live.value('b'), '2')
  t.same(live.deleted, [])
})

t.test('what leaves a file, and a file that leaves, is removed', async t => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'both.yaml')
  const [a, b] = [
    configMapYaml('a', { k: '1' }),
    configMapYaml('b', { k: '1' }),
  ]
  await writeFile(path, `${a}---\n${b}`)
  const live = await follow(t, [directory])
  await writeFile(path, a)
  await live.until(() => live.deleted.length === 1, 'b removed')
  t.equal(live.value('b'), undefined)
  t.equal(live.value('a'), '1')
  await unlink(path)
  await live.until(() => live.deleted.length === 2, 'a removed')
  await writeFile(path, a)
  await live.until(() => live.value('a') === '1', 'and back')
})

/** A published volume: a directory of names that are links through `..data`. */
async function publish(volume: string, i: number, text: string): Promise<void> {
  const ts = `..ts_${i}`
  await mkdir(join(volume, ts), { recursive: true })
  await writeFile(join(volume, ts, 'cm.yaml'), text)
  await symlink(ts, join(volume, '..data_tmp'))
  await rename(join(volume, '..data_tmp'), join(volume, '..data'))
  if (i === 0) await symlink('..data/cm.yaml', join(volume, 'cm.yaml'))
  else await rm(join(volume, `..ts_${i - 1}`), { recursive: true })
}

for (const given of ['.', 'cm.yaml']) {
  t.test(
    `a published volume is a source, through ten swaps: ${given}`,
    async t => {
      const directory = await temporaryDirectory(t)
      await publish(directory, 0, yaml('v0'))
      const live = await follow(t, [join(directory, given)])
      for (let i = 1; i <= 10; i++) {
        await publish(directory, i, yaml(`v${i}`))
        await live.until(() => live.value('cm') === `v${i}`, `swap ${i}`)
      }
      t.same(live.deleted, [])
      t.same(live.lines, [])
    },
  )
}

t.test(
  'a watched directory is replaced, by a rename and by a link',
  async t => {
    const directory = await temporaryDirectory(t)
    const watched = join(directory, 'watched')
    await mkdir(join(watched, 'sub'), { recursive: true })
    await writeFile(join(watched, 'sub', 'cm.yaml'), yaml('v'))
    const live = await follow(t, [watched])
    for (let i = 0; i < 3; i++) {
      const next = join(directory, `next${i}`)
      await mkdir(join(next, 'sub'), { recursive: true })
      await writeFile(join(next, 'sub', 'cm.yaml'), yaml(`r${i}`))
      // At once: what is away for long is told.
      renameSync(watched, join(directory, `old${i}`))
      renameSync(next, watched)
      await live.until(() => live.value('cm') === `r${i}`, `renamed ${i}`)
      await writeFile(join(watched, 'sub', 'cm.yaml'), yaml(`w${i}`))
      await live.until(() => live.value('cm') === `w${i}`, `edited ${i}`)
    }
    renameSync(watched, join(directory, 'real'))
    symlinkSync('real', watched)
    for (let i = 0; i < 3; i++) {
      const next = join(directory, `link${i}`)
      await mkdir(join(next, 'sub'), { recursive: true })
      await writeFile(join(next, 'sub', 'cm.yaml'), yaml(`l${i}`))
      await symlink(`link${i}`, `${watched}.tmp`)
      await rename(`${watched}.tmp`, watched)
      await live.until(() => live.value('cm') === `l${i}`, `linked ${i}`)
      await writeFile(join(next, 'sub', 'cm.yaml'), yaml(`m${i}`))
      await live.until(() => live.value('cm') === `m${i}`, `edited link ${i}`)
    }
    t.same(live.deleted, [])
    t.same(live.lines, [])
  },
)

t.test(
  'git checkout: many files change, come and go',
  { skip: capability('git') },
  async t => {
    const directory = await temporaryDirectory(t)
    const git = (...args: string[]) =>
      run('git', [
        '-C',
        directory,
        '-c',
        'user.name=x',
        '-c',
        'user.email=x',
        ...args,
      ])
    await git('init', '-q', '-b', 'one')
    const fill = async (value: string, only: string) => {
      for (let i = 0; i < 200; i++) {
        const sub = join(directory, `d${i % 5}`)
        await mkdir(sub, { recursive: true })
        await writeFile(
          join(sub, `f${i}.yaml`),
          configMapYaml(`cm${i}`, { k: value }),
        )
      }
      await writeFile(
        join(directory, `${only}.yaml`),
        configMapYaml(only, { k: '1' }),
      )
      // In each branch another file: it must not seem to be defined twice, nor to be gone.
      await writeFile(
        join(directory, `moved-${only}.yaml`),
        configMapYaml('moved', { k: value }),
      )
      await git('add', '.')
      await git('commit', '-qm', value)
    }
    await fill('1', 'left')
    await git('checkout', '-qb', 'two')
    await git('rm', '-q', 'left.yaml', 'moved-left.yaml')
    await fill('2', 'right')
    const live = await follow(t, [directory])
    const reached = (value: string, here: string, gone: string) => () =>
      Array.from({ length: 200 }, (_, i) => `cm${i}`).every(
        name => live.value(name) === value,
      ) &&
      live.value('moved') === value &&
      live.value(here) === '1' &&
      live.value(gone) === undefined
    t.ok(reached('2', 'right', 'left')())
    for (let i = 0; i < 3; i++) {
      await git('checkout', '-q', 'one')
      await live.until(reached('1', 'left', 'right'), `one ${i}`)
      await git('checkout', '-q', 'two')
      await live.until(reached('2', 'right', 'left'), `two ${i}`)
    }
    t.same(
      new Set(live.deleted.map(event => event.object.metadata.name)),
      new Set(['left', 'right']),
    )
    t.same(live.lines, [])
  },
)

t.test('which names of a directory are read', async t => {
  const directory = await temporaryDirectory(t)
  const read = [
    'a.yaml',
    'b.yml',
    'sub/c.json',
    'sub/deep/d.yaml',
    'kept/e.yaml',
  ]
  const passed = [
    'f.txt',
    '.hidden.yaml',
    '.git/g.yaml',
    'node_modules/h.yaml',
    'ignored/i.yaml',
    'j-generated.yaml',
    'sub/k.yaml',
    '..x/l.yaml',
    'm.yaml~',
  ]
  for (const path of [...read, ...passed]) {
    const name = path.replaceAll(/[^a-z]/g, '-')
    await mkdir(join(directory, path, '..'), { recursive: true })
    await writeFile(
      join(directory, path),
      path.endsWith('.json')
        ? JSON.stringify({
            apiVersion: 'v1',
            kind: 'ConfigMap',
            metadata: { name: `x${name}x` },
          })
        : configMapYaml(`x${name}x`, { k: 'v' }),
    )
  }
  await writeFile(join(directory, '.gitignore'), '/ignored\n*-generated.yaml\n')
  await writeFile(join(directory, 'sub/.gitignore'), 'k.yaml\n')
  const live = await follow(t, [directory])
  t.same(
    live.store.list('ConfigMap').map(({ metadata }) => metadata.name),
    read.map(path => `x${path.replaceAll(/[^a-z]/g, '-')}x`).sort(),
  )
  await t.test('a .gitignore that is edited hides and shows', async t => {
    await writeFile(
      join(directory, '.gitignore'),
      '/a.yaml\n/ignored\n*-generated.yaml\n',
    )
    await live.until(() => live.value('xa-yamlx') === undefined, 'hidden')
    await writeFile(
      join(directory, '.gitignore'),
      '/ignored\n*-generated.yaml\n',
    )
    await live.until(() => live.value('xa-yamlx') === 'v', 'shown')
    t.equal(live.deleted.length, 1)
  })
})

t.test(
  'one object in two files: the first keeps it, the second inherits',
  async t => {
    const directory = await temporaryDirectory(t)
    const [a, b] = [join(directory, 'a.yaml'), join(directory, 'b.yaml')]
    await writeFile(a, yaml('a'))
    await writeFile(b, yaml('b'))
    const live = await follow(t, [directory])
    t.same(live.lines, [
      `${b}:1:1: ConfigMap default/cm: already defined in ${a}:1:1; that one is used`,
    ])
    t.equal(live.value('cm'), 'a')
    await unlink(a)
    await live.until(() => live.value('cm') === 'b', 'inherited')
    t.same(live.deleted, [])
  },
)

t.test('standard input is read to its end', async t => {
  const live = await follow(t, ['-'], {
    stdin: Readable.from([Buffer.from(yaml('v'))]),
  })
  t.equal(live.value('cm'), 'v')
})

t.test('a PATH that is not there', async t => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'nope.yaml')
  await t.rejects(follow(t, [path]), {
    code: 'SOURCE_UNREADABLE',
    message: `${path}: no such file or directory`,
  })
})

t.test('read once, without a watch', async t => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'cm.yaml'), `${yaml('v')}---\nkind: Pod\n`)
  const live = await follow(t, [directory], { watch: false })
  t.equal(live.value('cm'), 'v')
  t.same(live.lines, [`${directory}/cm.yaml:10:1: apiVersion not set`])
})
