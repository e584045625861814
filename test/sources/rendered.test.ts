import { execFileSync } from 'node:child_process'
import { cp, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import { objectKey } from '../../src/api/object-key.ts'
import { rendererBy } from '../../src/session/run-renderer.ts'
import { RenderedManifests } from '../../src/sources/rendered/rendered-manifests.ts'
import type {
  Rendering,
  RunRenderer,
} from '../../src/sources/rendered/rendering.ts'
import { systemClock } from '../../src/util/clock.ts'
import { capability } from '../helpers/capability.ts'
import { configMapYaml, Live, temporaryDirectory } from './live.ts'

/*
 * Kustomizations and Helm charts, live, by the real programs: each kind of file that they read
 * is changed, and what they make of it must be in the store.
 */

t.setTimeout(240_000)
const noKubectl = { skip: capability('kubectl') }
const noHelm = { skip: capability('helm') }
const run = rendererBy(systemClock)

type Files = Readonly<Record<string, string>>

async function follow(
  t: Test,
  files: Files,
  renderings: (at: (name: string) => string) => readonly Rendering[],
  options: { readonly run?: RunRenderer; readonly patient?: boolean } = {},
) {
  const directory = await temporaryDirectory(t)
  const at = (name: string): string => path.join(directory, name)
  const write = async (name: string, text: string): Promise<void> => {
    await mkdir(path.dirname(at(name)), { recursive: true })
    await writeFile(at(name), text)
  }
  for (const [name, text] of Object.entries(files)) await write(name, text)
  const live = new Live()
  const source = new RenderedManifests({
    ...live.options,
    run,
    ...options,
    renderings: renderings(at),
  })
  t.teardown(() => source.close())
  await source.start()
  return {
    live,
    source,
    at,
    write,
    /** As most editors save. */
    save: async (name: string, text: string) => {
      await writeFile(at(`${name}.new`), text)
      await rename(at(`${name}.new`), at(name))
    },
    /** Whether the ConfigMap has that value. */
    until: (value: string | undefined, name = 'web', key = 'k') =>
      live.until(
        () => live.value(name, key) === value,
        `${name}.${key} = ${value}, not ${live.value(name, key)}`,
      ),
  }
}

const noHash = 'generatorOptions: {disableNameSuffixHash: true}\n'
const kustomize =
  (name: string) =>
  (at: (name: string) => string): readonly Rendering[] => [
    { kind: 'kustomize', directory: at(name) },
  ]

t.test('every file that a kustomization reads', noKubectl, async t => {
  const { live, source, write, save, until, at } = await follow(
    t,
    {
      'overlays/dev/kustomization.yaml':
        'resources: [../../base, more.yaml]\n' +
        'components: [../../parts/extra]\n' +
        'patches: [{path: patch.yaml}]\n' +
        'transformers: [label.yaml]\n' +
        'replacements: [{path: replacement.yaml}]\n' +
        'generators: [generator.yaml]\n' +
        noHash,
      'overlays/dev/more.yaml': configMapYaml('more', { k: '1' }),
      'overlays/dev/patch.yaml': configMapYaml('web', { patched: '1' }),
      'overlays/dev/label.yaml':
        'apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\n' +
        'path: deep/transform.yaml\ntarget: {kind: ConfigMap, name: more}\n',
      'overlays/dev/deep/transform.yaml':
        '- {op: add, path: /data/transformed, value: "1"}\n',
      'overlays/dev/replacement.yaml':
        'source: {kind: ConfigMap, name: web, fieldPath: metadata.name}\n' +
        'targets: [{select: {kind: ConfigMap, name: more}, fieldPaths: [data.replaced], options: {create: true}}]\n',
      'overlays/dev/generator.yaml':
        'apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: generated}\n' +
        'files: [k=deep/generated.txt]\noptions: {disableNameSuffixHash: true}\n',
      'overlays/dev/deep/generated.txt': '1',
      'base/kustomization.yml':
        'resources: [web.yaml]\n' +
        'configMapGenerator: [{name: app, files: [k=app.conf], envs: [app.env]}]\n' +
        noHash,
      'base/web.yaml': configMapYaml('web', { k: '1' }),
      'base/app.conf': '1',
      'base/app.env': 'E=1\n',
      'parts/extra/Kustomization':
        'apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n' +
        'configMapGenerator: [{name: part, literals: [k=1]}]\n' +
        noHash,
    },
    kustomize('overlays/dev'),
  )
  t.ok(source.isSound, live.lines.join('\n'))
  const changes: readonly {
    readonly file: string
    readonly text: string
    readonly name: string
    readonly key?: string
    readonly value?: string
  }[] = [
    {
      file: 'overlays/dev/more.yaml',
      text: configMapYaml('more', { k: '2' }),
      name: 'more',
    },
    {
      file: 'overlays/dev/patch.yaml',
      text: configMapYaml('web', { patched: '2' }),
      name: 'web',
      key: 'patched',
    },
    {
      file: 'overlays/dev/deep/transform.yaml',
      text: '- {op: add, path: /data/transformed, value: "2"}\n',
      name: 'more',
      key: 'transformed',
    },
    { file: 'overlays/dev/deep/generated.txt', text: '2', name: 'generated' },
    {
      file: 'base/web.yaml',
      text: configMapYaml('web', { k: '2' }),
      name: 'web',
    },
    { file: 'base/app.conf', text: '2', name: 'app' },
    { file: 'base/app.env', text: 'E=2\n', name: 'app', key: 'E' },
    {
      file: 'parts/extra/Kustomization',
      text:
        'apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n' +
        'configMapGenerator: [{name: part, literals: [k=2]}]\n' +
        noHash,
      name: 'part',
    },
    {
      file: 'overlays/dev/replacement.yaml',
      text:
        'source: {kind: ConfigMap, name: app, fieldPath: metadata.name}\n' +
        'targets: [{select: {kind: ConfigMap, name: part}, fieldPaths: [data.replaced], options: {create: true}}]\n',
      name: 'part',
      key: 'replaced',
      value: 'app',
    },
  ]
  for (const [index, change] of changes.entries()) {
    const { file, text, name, key = 'k', value = '2' } = change
    t.not(live.value(name, key), value, `${file}: before`)
    await (index % 2 === 0 ? write : save)(file, text)
    await until(value, name, key)
  }

  // A file that is named before it is there, and one that is taken out.
  await save('overlays/dev/replacement.yaml', '[]\n')
  await live.until(() => live.value('part', 'replaced') === undefined, 'none')
  await save(
    'base/kustomization.yml',
    `resources: [web.yaml, new.yaml]\n${noHash}`,
  )
  await live.until(
    () =>
      live.lines.some(line =>
        /overlays\/dev:1:1: kubectl kustomize: .*new\.yaml.*; what was rendered before stays$/.test(
          line,
        ),
      ),
    'the error',
  )
  t.notOk(source.isSound)
  t.equal(source.mistakes, 1)
  t.equal(live.value('app'), '2')
  t.match(live.store.whyKept(objectKey('ConfigMap', 'default', 'app')), {
    message: /kubectl kustomize: .*new\.yaml/,
  })
  await write('base/new.yaml', configMapYaml('new', { k: 'new' }))
  await until('new', 'new')
  await until(undefined, 'app')
  await live.until(() => live.mended.length > 0, 'mended')
  t.strictSame(live.mended, [at('overlays/dev')])
  t.ok(source.isSound)
  t.equal(live.lines.length, 1)

  // What nothing names any more is nobody's.
  await save('base/kustomization.yml', 'resources: [new.yaml]\n')
  await save('overlays/dev/kustomization.yaml', 'resources: [../../base]\n')
  await until(undefined, 'web')
  await until('new', 'new')
})

t.test('a directory behind a link that is swapped', noKubectl, async t => {
  const { at, until } = await follow(
    t,
    {
      'one/kustomization.yaml': 'resources: [web.yaml]\n',
      'one/web.yaml': configMapYaml('web', { k: 'one' }),
      'two/kustomization.yaml': 'resources: [web.yaml]\n',
      'two/web.yaml': configMapYaml('web', { k: 'two' }),
    },
    at => [{ kind: 'kustomize', directory: at('one/../current') }],
    { patient: true },
  )
  await symlink(at('one'), at('current'))
  await until('one')
  await symlink(at('two'), at('next'))
  await rename(at('next'), at('current'))
  await until('two')
  // As git does, and a volume of Kubernetes.
  await rm(at('two'), { recursive: true })
  await cp(at('one'), at('two'), { recursive: true })
  await until('one')
})

t.test('two overlays of one base change together', noKubectl, async t => {
  const { live, write } = await follow(
    t,
    {
      'a/kustomization.yaml': 'namePrefix: a-\nresources: [../base]\n',
      'b/kustomization.yaml': 'namePrefix: b-\nresources: [../base]\n',
      'base/kustomization.yaml': 'resources: [web.yaml]\n',
      'base/web.yaml': configMapYaml('web', { k: '1' }),
    },
    at => [...kustomize('a')(at), ...kustomize('b')(at), ...kustomize('a')(at)],
  )
  live.batches.length = 0
  await write('base/web.yaml', configMapYaml('web', { k: '2' }))
  await live.until(() => live.value('b-web') === '2', 'b-web')
  t.equal(live.batches.length, 1)
  t.equal(live.value('a-web'), '2')
  t.strictSame(live.lines, [], 'the same directory twice is no conflict')
})

t.test('mistakes in what is rendered', noKubectl, async t => {
  const { live, at, save, until } = await follow(
    t,
    {
      'kustomization.yaml': 'resources: [web.yaml]\n',
      'web.yaml': `${configMapYaml('web', { k: '1' })}---\n${configMapYaml('other', { k: '1' })}`,
    },
    kustomize('.'),
  )
  // kustomize itself does not mind.
  await save(
    'web.yaml',
    `${configMapYaml('web', { k: '2' })}---\n${configMapYaml('other', { k: '2' })}binaryData: {b: "*"}\n`,
  )
  await until('2')
  await live.until(() => live.lines.length > 0, 'the mistake')
  t.match(live.lines, [
    /^rendering of \/.*:\d+:\d+: ConfigMap default\/other: binaryData\[b\]: /,
  ])
  t.equal(live.value('other'), '1')
  await save('web.yaml', configMapYaml('web', { k: '3' }))
  await until('3')
  t.equal(live.value('other'), undefined)
  await live.until(() => live.mended.length > 0, 'mended')
  t.match(live.mended, [`rendering of ${at('.')}`])
})

t.test('what changes while it is rendered', noKubectl, async t => {
  let edit = async (): Promise<void> => {}
  const { live, write, until } = await follow(
    t,
    {
      'kustomization.yaml': 'resources: [web.yaml]\n',
      'web.yaml': configMapYaml('web', { k: '1' }),
    },
    kustomize('.'),
    {
      run: async (command, abort) => {
        const outcome = await run(command, abort)
        await edit()
        return outcome
      },
    },
  )
  edit = async () => {
    edit = async () => {}
    await write('web.yaml', configMapYaml('web', { k: '3' }))
    // It must be heard of before the outcome is: that is what makes it worth nothing.
    await new Promise(resolve => setTimeout(resolve, 300))
  }
  await write('web.yaml', configMapYaml('web', { k: '2' }))
  await until('3')
  t.strictSame(
    live.events.map(({ object }) =>
      object.kind === 'ConfigMap' ? object.data.get('k') : '',
    ),
    ['1', '3'],
  )
})

t.test('Secrets are not quoted', noKubectl, async t => {
  const { live, save } = await follow(
    t,
    {
      'kustomization.yaml':
        'secretGenerator: [{name: db, literals: [password=hunter2]}]\n',
    },
    kustomize('.'),
  )
  await save(
    'kustomization.yaml',
    'secretGenerator: [{name: db, literals: [hunter2]}]\n',
  )
  await live.until(() => live.lines.length > 0, 'the error')
  t.match(live.lines[0], 'invalid literal source ***')
  t.notMatch(live.lines[0], 'hunter2')
})

t.test('a base of another machine is told of once', noKubectl, async t => {
  const { live, write } = await follow(
    t,
    {
      'kustomization.yaml':
        'resources:\n  - http://127.0.0.1:1/org/repo?ref=v1\n',
    },
    kustomize('.'),
    {
      run: async () => ({
        kind: 'rendered',
        output: Buffer.from(configMapYaml('web', { k: '1' })),
        words: '# Warning: one\n',
      }),
    },
  )
  t.match(live.lines, [
    /kustomization\.yaml:2:5: http:\/\/127\.0\.0\.1:1\/org\/repo\?ref=v1 is rendered as it is now and not followed: /,
    /:1:1: kubectl kustomize: one$/,
  ])
  await write('more', '')
  t.equal(live.lines.length, 2)
})

t.test('what cannot be rendered', async t => {
  const directory = await temporaryDirectory(t)
  await writeFile(path.join(directory, 'file.yaml'), '')
  const fails = (rendering: Rendering): Promise<unknown> => {
    const live = new Live()
    const source = new RenderedManifests({
      ...live.options,
      run: async () => ({ kind: 'missing' }),
      renderings: [rendering],
    })
    t.teardown(() => source.close())
    return source.start().then(
      () => undefined,
      (error: unknown) => error,
    )
  }
  t.match(await fails({ kind: 'kustomize', directory: `${directory}/none` }), {
    code: 'SOURCE_UNREADABLE',
    reason: 'no such file or directory',
  })
  t.match(
    await fails({ kind: 'kustomize', directory: `${directory}/file.yaml` }),
    { code: 'SOURCE_UNREADABLE', fix: `-k ${directory}` },
  )
  t.match(await fails({ kind: 'kustomize', directory }), {
    code: 'SOURCE_LACKS_RENDERER',
    message: `${directory}: neither kubectl nor kustomize is installed, and one of them has to render it`,
  })
  t.match(await fails({ kind: 'helm', chart: directory, values: [] }), {
    code: 'SOURCE_LACKS_RENDERER',
    message: `${directory}: helm is not installed, and has to render it`,
  })
  t.match(
    await fails({
      kind: 'helm',
      chart: directory,
      values: [`${directory}/none.yaml`],
    }),
    { code: 'SOURCE_UNREADABLE', path: `${directory}/none.yaml` },
  )
})

const chart: Files = {
  'shop/Chart.yaml': 'apiVersion: v2\nname: web\nversion: 0.1.0\n',
  'shop/values.yaml': 'colour: grey\n',
  'shop/templates/web.yaml':
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Name }}"}\n' +
    'data:\n  k: "{{ .Values.colour }} 1"\n  namespace: "{{ .Release.Namespace }}"\n' +
    '  file: {{ .Files.Get "files/a.txt" | quote }}\n',
  'shop/files/a.txt': 'a',
  'dev.yaml': 'colour: blue\n',
}

t.test('every file that Helm reads', noHelm, async t => {
  const { live, source, write, save, until, at } = await follow(
    t,
    chart,
    at => [{ kind: 'helm', chart: at('shop'), values: [at('dev.yaml')] }],
  )
  t.ok(source.isSound, live.lines.join('\n'))
  await until('blue 1')
  t.equal(live.value('web', 'namespace'), 'default')
  await write('dev.yaml', 'colour: green\n')
  await until('green 1')
  await save('dev.yaml', '{}\n')
  await until('grey 1')
  await write('shop/values.yaml', 'colour: pink\n')
  await until('pink 1')
  await write('shop/files/a.txt', 'b')
  await until('b', 'web', 'file')
  await save(
    'shop/templates/web.yaml',
    (chart['shop/templates/web.yaml'] ?? '').replace(' 1"', ' 2"'),
  )
  await until('pink 2')
  await write('shop/templates/deep/new.yaml', configMapYaml('new', { k: 'n' }))
  await until('n', 'new')
  await write('shop/templates/deep/new.yaml', '{{ nonsense }}')
  await live.until(() => live.lines.length > 0, 'the error')
  t.match(live.lines[0], /shop:1:1: helm template: parse error at .*nonsense/)
  t.equal(live.value('new'), 'n')
  await rm(at('shop/templates/deep'), { recursive: true })
  await until(undefined, 'new')
  await write(
    'shop/Chart.yaml',
    'apiVersion: v2\nname: other\nversion: 0.1.0\n',
  )
  await until('pink 2', 'other')
  await until(undefined, 'web')
})

t.test('a packaged chart', noHelm, async t => {
  const { write, at, until, source, live } = await follow(
    t,
    chart,
    at => [{ kind: 'helm', chart: at('web-0.1.0.tgz'), values: [] }],
    { patient: true },
  )
  t.match(live.lines, [/no such file or directory; podfs waits for it$/])
  const pack = (): void => {
    execFileSync('helm', ['package', at('shop'), '--destination', at('.')])
  }
  pack()
  await until('grey 1')
  await write('shop/values.yaml', 'colour: red\n')
  pack()
  await until('red 1')
  t.ok(source.isSound)
})

t.test('other renderings from now on', noKubectl, async t => {
  const one = (name: string, k: string): Files => ({
    [`${name}/kustomization.yaml`]: 'resources: [web.yaml]\n',
    [`${name}/web.yaml`]: configMapYaml(name, { k }),
  })
  const { source, at, until, write, live } = await follow(
    t,
    { ...one('a', '1'), ...one('b', '1') },
    kustomize('a'),
  )
  await source.setRenderings(kustomize('b')(at))
  t.equal(live.value('a'), undefined)
  t.equal(live.value('b'), '1')
  await write('b/web.yaml', configMapYaml('b', { k: '2' }))
  await until('2', 'b')
  await source.setRenderings([])
  t.equal(live.value('b'), undefined)
})
