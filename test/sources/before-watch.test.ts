import { execFile } from 'node:child_process'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual, promisify } from 'node:util'
import t, { type Test } from 'tap'
import type { ObjectFields } from '../../src/api/report.ts'
import {
  ManifestFiles,
  type ManifestFilesOptions,
} from '../../src/sources/manifests/manifest-files.ts'
import { systemClock, type Clock } from '../../src/util/clock.ts'
import { DirectorySource } from '../../src/sources/keys/directory-source.ts'
import {
  configMapYaml,
  follow,
  followDirectory,
  Live,
  temporaryDirectory,
} from './live.ts'

/*
 * What changes after it was read and before podfs hears of it: before the watch is set, or
 * before the name is known as that of a file.
 */

const run = promisify(execFile)

const replace = (path: string, text: string): void => {
  writeFileSync(`${path}.new~`, text)
  renameSync(`${path}.new~`, path)
}

const ways: Readonly<Record<string, (path: string, text: string) => void>> = {
  'by rename': replace,
  'in place': writeFileSync,
}

/** Four events each: after more than a thousand in a second everything is looked at anyway. */
const files = 200
const saveMs = 150

/** Saves each of many files once, one after the other. */
class Saver {
  readonly #directory: string
  readonly #save: (path: string, text: string) => void
  #isBegun = false

  constructor(directory: string, save = replace) {
    this.#directory = directory
    this.#save = save
  }

  write(): void {
    mkdirSync(this.#directory, { recursive: true })
    for (let i = 0; i < files; i++) this.#write(i, 'old', writeFileSync)
  }

  /** Begins when the first of them is read. */
  readonly onFields = ({ object: { name } }: ObjectFields): void => {
    if (name.startsWith('many')) this.#begin()
  }

  /** What seems to be old is read without a wait. The first wait is that of the second look. */
  readonly oldFiles: Clock = {
    ...systemClock,
    now: () => systemClock.now() + 3_600_000,
  }

  /** Begins when the first of them is looked at for the second time. */
  readonly atSecondLook: Clock = {
    ...this.oldFiles,
    sleep: (ms, signal) => {
      this.#begin()
      return systemClock.sleep(ms, signal)
    },
  }

  async isSeen(t: Test, live: Live): Promise<void> {
    const lost = () =>
      Array.from({ length: files }, (_, i) => `many${i}`).filter(
        name => live.value(name) !== 'new',
      )
    await live
      .until(() => lost().length === 0, 'all that was saved')
      .catch(() => undefined)
    t.same(lost(), [], 'all that was saved is seen')
    t.same(live.deleted, [])
    t.same(live.lines, [])
  }

  #begin(): void {
    if (this.#isBegun) return
    this.#isBegun = true
    for (let i = 0; i < files; i++)
      setTimeout(() => this.#write(i, 'new', this.#save), (i * saveMs) / files)
  }

  #write(i: number, value: string, write: typeof replace): void {
    write(
      join(this.#directory, `${i}.yaml`),
      configMapYaml(`many${i}`, { k: value }),
    )
  }
}

async function followWith(
  t: Test,
  paths: readonly string[],
  options: Partial<ManifestFilesOptions>,
): Promise<{ readonly live: Live; readonly source: ManifestFiles }> {
  const live = new Live()
  const source = new ManifestFiles({ ...live.options, ...options, paths })
  t.teardown(() => source.close())
  await source.start()
  return { live, source }
}

/** A promise that is kept on demand. */
function moment(): { readonly is: Promise<void>; readonly come: () => void } {
  let come = () => undefined as void
  const is = new Promise<void>(resolve => (come = resolve))
  return { is, come }
}

/** Until files are taken for stable they are looked at without a word from anybody. */
const untilStable = () => delay(400)

for (const [how, save] of Object.entries(ways)) {
  t.test(`files that are saved when they get a watch, ${how}`, async t => {
    const directory = await temporaryDirectory(t)
    const saver = new Saver(directory, save)
    saver.write()
    const watching = moment()
    const live = await follow(t, [directory], {
      clock: saver.atSecondLook,
      watchFrom: watching.is,
    })
    await untilStable()
    watching.come()
    await saver.isSeen(t, live)
  })
}

t.test('files of a PATH that comes later', async t => {
  const [first, second] = [
    await temporaryDirectory(t),
    await temporaryDirectory(t),
  ]
  writeFileSync(join(first, 'cm.yaml'), configMapYaml('cm', { k: 'v' }))
  const saver = new Saver(second)
  saver.write()
  const { onFields, oldFiles: clock } = saver
  const { live, source } = await followWith(t, [first], { onFields, clock })
  source.setPaths([first, second])
  await saver.isSeen(t, live)
})

t.test('files of a directory that goes and comes back', async t => {
  const directory = join(await temporaryDirectory(t), 'dir')
  mkdirSync(directory)
  const saver = new Saver(directory)
  const { onFields, oldFiles: clock } = saver
  const live = await follow(t, [directory], { onFields, clock })
  rmSync(directory, { recursive: true })
  saver.write()
  await saver.isSeen(t, live)
})

t.test('a key of a directory that goes and comes back', async t => {
  const parent = await temporaryDirectory(t)
  const [directory, next] = [join(parent, 'dir'), join(parent, 'next')]
  for (const each of [directory, next]) mkdirSync(each)
  writeFileSync(join(directory, 'k'), 'old')
  writeFileSync(join(next, 'k'), 'half-')
  let isHalfWritten = false
  const clock: Clock = {
    ...systemClock,
    // That of the second look, which one that was renamed into place does not need.
    sleep: (ms, signal) => {
      if (isHalfWritten && ms === 10) {
        isHalfWritten = false
        writeFileSync(join(directory, 'k'), 'new')
      }
      return systemClock.sleep(ms, signal)
    },
  }
  const live = await followDirectory(t, directory, { clock })
  await untilStable()
  const shown: unknown[] = []
  live.store.watch(() => shown.push(live.value('cm')))
  isHalfWritten = true
  renameSync(directory, join(parent, 'before'))
  renameSync(next, directory)
  await live.until(() => live.value('cm') === 'new', 'what is there now')
  t.same(shown, ['new'])
})

t.test('behind links that lead elsewhere, in a watched directory', async t => {
  const directory = await temporaryDirectory(t)
  const elsewhere = await temporaryDirectory(t)
  const at = (name: string) => join(elsewhere, name)
  writeFileSync(at('old.yaml'), configMapYaml('cm', { k: 'old' }))
  writeFileSync(at('new.yaml'), configMapYaml('cm', { k: 'new' }))
  symlinkSync('old.yaml', at('middle'))
  symlinkSync(at('middle'), join(directory, 'cm.yaml'))
  const live = await follow(t, [directory])
  await untilStable()
  symlinkSync('new.yaml', at('next'))
  renameSync(at('next'), at('middle'))
  await live.until(() => live.value('cm') === 'new', 'the other target')
  writeFileSync(at('new.yaml'), configMapYaml('cm', { k: 'newer' }))
  await live.until(() => live.value('cm') === 'newer', 'the target edited')
})

t.test('everything that can happen between reading and watching', async t => {
  const directory = await temporaryDirectory(t)
  const elsewhere = await temporaryDirectory(t)
  const at = (path: string) => join(directory, path)
  const write = (path: string, value: string) => {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(
      path,
      configMapYaml(path.replaceAll(/^.*\/|\.yaml$/g, ''), { k: value }),
    )
  }
  const link = (target: string, path: string) => {
    symlinkSync(target, `${path}.new~`)
    renameSync(`${path}.new~`, path)
  }
  for (const name of ['in-place', 'renamed', 'removed', 'shown', 'hidden'])
    write(at(`${name}.yaml`), 'old')
  for (const version of ['v1', 'v2']) {
    write(join(elsewhere, version, 'linked.yaml'), version)
    write(join(elsewhere, version, 'through.yaml'), version)
    write(at(`volume/..${version}/published.yaml`), version)
  }
  link(join(elsewhere, 'v1/linked.yaml'), at('linked.yaml'))
  link('v1', join(elsewhere, 'current'))
  link('..v1', at('volume/..data'))
  link('..data/published.yaml', at('volume/published.yaml'))
  write(at('gone/in-gone.yaml'), 'old')
  writeFileSync(at('.gitignore'), 'shown.yaml\n')

  const watching = moment()
  const live = await follow(t, [directory, join(elsewhere, 'current')], {
    watchFrom: watching.is,
  })
  const values = () =>
    Object.fromEntries(
      live.store
        .list('ConfigMap')
        .map(({ metadata: { name }, data }) => [name, data.get('k')]),
    )
  t.strictSame(values(), {
    hidden: 'old',
    'in-gone': 'old',
    'in-place': 'old',
    linked: 'v1',
    published: 'v1',
    removed: 'old',
    renamed: 'old',
    through: 'v1',
  })

  write(at('in-place.yaml'), 'new')
  replace(at('renamed.yaml'), configMapYaml('renamed', { k: 'new' }))
  unlinkSync(at('removed.yaml'))
  write(at('added.yaml'), 'new')
  write(at('sub/in-new.yaml'), 'new')
  rmSync(at('gone'), { recursive: true })
  writeFileSync(at('.gitignore'), 'hidden.yaml\n')
  link(join(elsewhere, 'v2/linked.yaml'), at('linked.yaml'))
  link('v2', join(elsewhere, 'current'))
  link('..v2', at('volume/..data'))
  watching.come()
  const expected = {
    added: 'new',
    'in-new': 'new',
    'in-place': 'new',
    linked: 'v2',
    published: 'v2',
    renamed: 'new',
    shown: 'old',
    through: 'v2',
  }
  await live
    .until(() => isDeepStrictEqual(values(), expected), 'all of it')
    .catch(() => undefined)
  t.strictSame(values(), expected)
})

/** Those that the kernel keeps for this process: proc(5), fdinfo. */
function inotifyWatches(): number {
  const files = readdirSync('/proc/self/fdinfo').map(fd => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')
    } catch {
      return '' // closed meanwhile
    }
  })
  return files.join('').match(/^inotify wd:/gm)?.length ?? 0
}

t.test('what is heard during the start is one look around more', async t => {
  // Two at the same time would watch each directory twice, and one of these watches would stay.
  const before = inotifyWatches()
  const top = await temporaryDirectory(t)
  const deep = join(top, ...Array.from({ length: 100 }, () => 'd'))
  mkdirSync(deep, { recursive: true })
  writeFileSync(join(deep, 'cm.yaml'), configMapYaml('cm', { k: 'v' }))
  const options = { kind: 'ConfigMap', name: 'keys' } as const
  for (const source of [
    new ManifestFiles({ ...new Live().options, paths: [top] }),
    new DirectorySource({ ...new Live().options, ...options, directory: deep }),
  ]) {
    let saves = 0
    const saving = setInterval(() => {
      saves += 1
      for (const directory of [top, deep])
        writeFileSync(join(directory, `${saves % 50}.yaml`), '# nothing')
    }, 1)
    await source.start()
    clearInterval(saving)
    t.ok(saves > 0)
    await source.close()
    while (inotifyWatches() > before) await delay(10)
  }
})

t.test('a PATH of which nothing is there: no search without end', async t => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'not/there/cm.yaml')
  const live = await follow(t, [path], { patient: true })
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, configMapYaml('cm', { k: 'v' }))
  await live.until(() => live.value('cm') === 'v', 'there')
})

t.test(
  'a save right after the reading of a file that never rests, in the same tick of the clock',
  { skip: process.geteuid?.() !== 0 && 'only root can mount a ramfs' },
  async t => {
    // Its times are those of the kernel's last tick; of other file systems they may be finer.
    const directory = await temporaryDirectory(t)
    await run('mount', ['-t', 'ramfs', 'none', directory])
    t.teardown(() => run('umount', [directory]))
    const path = join(directory, 'cm.yaml')
    let saves = 0
    const save = () => {
      saves += 1
      writeFileSync(
        path,
        configMapYaml('cm', { k: String(saves).padStart(9, '0') }),
      )
    }
    save()
    let reads = 0
    let saving: NodeJS.Timeout | undefined
    const live = await follow(t, [directory], {
      onFields: () => {
        reads += 1
        if (saving === undefined) return
        clearInterval(saving)
        saving = undefined
        save()
      },
    })
    saving = setInterval(save, 1)
    await live.until(() => saving === undefined, 'read while it is written to')
    await live.until(
      () => Number(live.value('cm')) === saves,
      'the last save, of the same size',
    )
    t.ok(reads >= 2)
  },
)
