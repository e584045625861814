import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import type { Settings } from '../../src/config/settings.ts'
import { LiveSources } from '../../src/session/live-sources.ts'
import { eventually } from '../helpers/podfs.ts'
import { configMapYaml, Live, temporaryDirectory } from '../sources/live.ts'

type Sources = Settings['sources']

const nothing: Sources = {
  namespace: 'default',
  manifests: [],
  kustomizations: [],
  charts: [],
  configMaps: [],
  secrets: [],
}

async function follow(t: Test, sources: Partial<Sources>) {
  const live = new Live()
  const all = new LiveSources(live.options)
  t.teardown(() => all.close())
  await all.start({ ...nothing, ...sources })
  return {
    live,
    all,
    change: (sources: Partial<Sources>) =>
      all.change({ ...nothing, ...sources }),
  }
}

t.test('manifests and directories, and other ones later', async t => {
  const dir = await temporaryDirectory(t)
  const at = (name: string): string => path.join(dir, name)
  await mkdir(at('one'))
  await mkdir(at('two'))
  await mkdir(at('plain'))
  await writeFile(at('one/a.yaml'), configMapYaml('a', { k: '1' }))
  await writeFile(at('one/b.yaml'), configMapYaml('b', { k: '1' }))
  await writeFile(at('two/b.yaml'), configMapYaml('b', { k: '1' }))
  await writeFile(at('plain/key'), Buffer.from([0xff, 0x41]))
  const plain = { directory: at('plain'), name: 'plain' }
  const { live, all, change } = await follow(t, {
    manifests: [at('one')],
    secrets: [{ ...plain, namespace: 'shop' }],
    configMaps: [plain],
  })
  t.ok(all.isSound)
  t.equal(live.value('a'), '1')
  t.match(live.store.get('Secret', 'shop', 'plain'), {
    type: 'Opaque',
    data: new Map([['key', new Uint8Array([0xff, 0x41])]]),
  })
  t.match(live.store.get('ConfigMap', 'default', 'plain'), {
    data: new Map(),
    binaryData: new Map([['key', new Uint8Array([0xff, 0x41])]]),
  })

  live.events.length = 0
  await change({
    manifests: [at('two'), at('two/b.yaml')],
    configMaps: [plain],
  })
  await live.until(() => live.deleted.length === 2, 'both are let go')
  t.strictSame(
    live.events
      .map(({ type, object }) => `${type} ${object.metadata.name}`)
      .sort(),
    ['DELETED a', 'DELETED plain'],
    'what others have, too, stays',
  )
  await writeFile(at('two/b.yaml'), configMapYaml('b', { k: '2' }))
  await live.until(() => live.value('b') === '2', 'the new one is followed')
  t.strictSame(live.lines, [])
})

t.test('a file that was emptied before the start is not sound', async t => {
  const dir = await temporaryDirectory(t)
  const file = path.join(dir, 'b.yaml')
  await writeFile(path.join(dir, 'a.yaml'), configMapYaml('a', { k: '1' }))
  await writeFile(file, '')
  const { live, all } = await follow(t, { manifests: [dir] })
  t.equal(live.value('a'), '1')
  t.notOk(all.isSound)
  t.equal(all.mistakes, 0)
  await writeFile(file, configMapYaml('b', { k: '1' }))
  await live.until(() => live.value('b') === '1', 'its content')
  await eventually(() => all.isSound)
})

t.test('what is not there, or broken, is waited for', async t => {
  const dir = await temporaryDirectory(t)
  const at = (name: string): string => path.join(dir, name)
  await mkdir(at('good'))
  await writeFile(at('good/a.yaml'), configMapYaml('a', { k: '1' }))
  await writeFile(at('good/broken.yaml'), 'kind: [')
  const { live, all } = await follow(t, {
    manifests: [at('good'), at('later')],
    configMaps: [{ directory: at('plain'), name: 'plain' }],
  })
  t.equal(live.value('a'), '1')
  t.notOk(all.isSound)
  t.match(live.lines.toSorted(), [
    /broken\.yaml:1:/,
    `${at('later')}:1:1: no such file or directory; podfs waits for it`,
    `${at('plain')}:1:1: no such file or directory; podfs waits for it`,
  ])
  await mkdir(at('later'))
  await writeFile(at('later/b.yaml'), configMapYaml('b', { k: '1' }))
  await live.until(() => live.value('b') === '1', 'the manifests')
  await mkdir(at('plain'))
  await writeFile(at('plain/k'), '1')
  await live.until(() => live.value('plain') === '1', 'the directory')
  t.notOk(all.isSound)
  await rm(at('good/broken.yaml'))
  await eventually(() => all.isSound)
  t.equal(all.mistakes, 0)
  t.equal(live.lines.length, 3)
  await live.until(() => live.mended.length === 3, 'all are mended')
  t.strictSame(
    live.mended.toSorted(),
    ['good/broken.yaml', 'later', 'plain'].map(name => at(name)),
  )
})
