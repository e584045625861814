/*
 * A source on a file system that is unmounted and mounted again: inotify tells nobody, and a watch
 * ends with its file system.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { ManifestFiles } from '../../src/sources/manifests/manifest-files.ts'
import { DirectorySource } from '../../src/sources/keys/directory-source.ts'
import '../helpers/needs-mounts.ts'
import { configMapYaml, Live, temporaryDirectory } from './live.ts'

const mount = (...words: string[]): void => void execFileSync('mount', words)
const umount = (path: string): void => void execFileSync('umount', [path])

/** Nothing says that nothing more happens: the table is looked at within 1.1 s. */
async function afterLooks(): Promise<void> {
  await delay(3000)
}

async function save(path: string, text: string): Promise<void> {
  await writeFile(`${path}~`, text)
  await rename(`${path}~`, path)
}

for (const [title, start] of Object.entries({
  manifests: (live: Live, directory: string) =>
    new ManifestFiles({ ...live.options, paths: [directory] }),
  'a plain directory': (live: Live, directory: string) =>
    new DirectorySource({
      ...live.options,
      directory,
      kind: 'ConfigMap',
      name: 'cm',
    }),
}))
  t.test(title, async t => {
    const [file, text] =
      title === 'manifests'
        ? ['cm.yaml', (k: string) => configMapYaml('cm', { k })]
        : ['k', (k: string) => k]
    const root = await temporaryDirectory(t)
    const directory = join(root, 'input')
    await mkdir(directory)
    mount('-t', 'tmpfs', 'tmpfs', directory)
    t.teardown(() => umount(directory))
    await save(join(directory, file), text('one'))
    const live = new Live()
    const source = start(live, directory)
    await source.start()
    t.teardown(() => source.close())
    t.equal(live.value('cm'), 'one')
    await afterLooks()

    // With a copy in another mount namespace, such as a container's, no watch ends.
    const elsewhere = spawn(
      'unshare',
      ['--mount', 'sh', '-c', 'echo made; exec sleep 1000'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    t.teardown(() => elsewhere.kill('SIGKILL'))
    await once(elsewhere.stdout, 'data')
    umount(directory)
    await afterLooks()
    t.equal(live.value('cm'), 'one', 'what is unmounted may come back')

    mount('-t', 'tmpfs', 'tmpfs', directory)
    await save(join(directory, file), text('two'))
    await live.until(() => live.value('cm') === 'two', 'it is back')
    await save(join(directory, file), text('three'))
    await live.until(() => live.value('cm') === 'three', 'and is watched')
    t.strictSame(live.lines, [
      `${directory}/${file}:1:1: its file system is not mounted any more; what was read before stays`,
    ])
    await live.until(() => live.mended.length > 0, 'it is told once')
    t.same(live.deleted, [])
  })
