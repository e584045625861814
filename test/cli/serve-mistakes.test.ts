/*
 * What `podfs serve` says of a mistake in its input while it serves what was there before:
 * with the volumes that it concerns, and until it is mended.
 */
import { copyFileSync, mkdirSync, renameSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { eventually, podfs } from '../helpers/podfs.ts'
import { configMap, end, pod, secret, world } from '../helpers/served-world.ts'

t.setTimeout(240_000)
const skip = cannotStart()

/** What `get volumes` says of each, by its name and that of its Pod. */
async function errorsOf(t: Test, root: string): Promise<Map<string, string>> {
  const { stdout } = await podfs(t, [
    'get',
    'volumes',
    '--session',
    root,
    '-o',
    'jsonpath={range .items[*]}{.spec.podName} {.spec.volumeName}={.status.error}{"\\n"}{end}',
  ])
  return new Map(
    stdout
      .trimEnd()
      .split('\n')
      .map(line => [
        line.slice(0, line.indexOf('=')).trim(),
        line.slice(line.indexOf('=') + 1),
      ]),
  )
}

t.test('a broken file is shown with its volumes', { skip }, async t => {
  const all =
    secret('db', '{password: hunter2}') +
    configMap('settings', '{colour: blue}')
  const { start, write, root, text } = world(t, {
    'all.yaml': all,
    'other.yaml': configMap('other', '{key: value}'),
    'pod.yaml': pod(
      'web',
      '{name: key, secret: {secretName: db}}, {name: cfg, configMap: {name: other}}',
    ),
  })
  const serving = await start()
  await eventually(async () => (await errorsOf(t, root)).size === 5)
  t.strictSame([...new Set((await errorsOf(t, root)).values())], [''])

  t.comment('no YAML: all of the file')
  write('all.yaml', all.replace('{password: hunter2}', '{password: hunter2'))
  const broken = /^.*all\.yaml:\d+:\d+: not YAML: [^\n]*$/
  await eventually(async () =>
    broken.test((await errorsOf(t, root)).get('secret:db') ?? ''),
  )
  const errors = await errorsOf(t, root)
  t.match(errors.get('configmap:settings'), broken)
  t.match(errors.get('web key'), broken)
  t.equal(errors.get('web cfg'), '')
  t.equal(errors.get('configmap:other'), '')
  t.notMatch([...errors.values()].join(), 'hunter2')
  const { stdout } = await podfs(t, ['get', 'volumes', '--session', root])
  t.match(stdout, /web +key .* .*all\.yaml:\d+:\d+: not YAML: /)
  const described = await podfs(t, [
    'describe',
    'volume',
    'web.key',
    '--session',
    root,
  ])
  t.match(described.stdout, /Error: +.*all\.yaml:\d+:\d+: not YAML: /)

  t.comment('one object: the other one is read')
  write('all.yaml', all.replace('{colour: blue}', '[red]'))
  await eventually(async () => (await errorsOf(t, root)).get('web key') === '')
  t.match(
    (await errorsOf(t, root)).get('configmap:settings'),
    /^.*all\.yaml:\d+:\d+: ConfigMap default\/settings: data: /,
  )
  t.equal(text('default/configmaps/settings/colour'), 'blue')

  t.comment('mended')
  write('all.yaml', all)
  await eventually(async () =>
    [...(await errorsOf(t, root)).values()].every(error => error === ''),
  )
  await serving.saw(/^podfs: .*all\.yaml: no mistakes any more$/m, 'stderr')
  await end(t, serving)
})

t.test('what cannot be decrypted any more', { skip }, async t => {
  const { start, dir, configure, root } = world(t)
  const fixture = (name: string): string =>
    path.resolve('test/fixtures/sops', name)
  const give = (manifest: string, file: string): void => {
    copyFileSync(fixture(manifest), path.join(dir, 'manifests/db.yaml'))
    copyFileSync(fixture(file), path.join(dir, 'files/password.age'))
  }
  mkdirSync(path.join(dir, 'files'))
  configure(
    'ageKeyFile: keys.txt',
    '  secrets: [{directory: files, name: files}]\n',
  )
  copyFileSync(fixture('keys.txt'), path.join(dir, 'keys.txt'))
  give('regex.yaml', 'password.age')
  const serving = await start()
  t.strictSame([...(await errorsOf(t, root)).values()], ['', ''])
  give('for-others.yaml', 'for-others.age')
  await eventually(async () => {
    const errors = await errorsOf(t, root)
    return (
      /db\.yaml:\d+:\d+: .*no age key opens it/.test(
        errors.get('secret:db') ?? '',
      ) &&
      /password\.age:1:1: .*no age key opens it/.test(
        errors.get('secret:files') ?? '',
      )
    )
  })
  give('edited.yaml', 'password.age')
  await eventually(async () =>
    [...(await errorsOf(t, root)).values()].every(error => error === ''),
  )
  await end(t, serving)
})

t.test('what may not change, and a broken Pod', { skip }, async t => {
  const frozen = (value: string): string =>
    `${configMap('frozen', `{key: ${value}}`)}immutable: true\n`
  const web = (more = ''): string =>
    pod('web', '{name: v, configMap: {name: frozen}}', { more })
  const { start, root, write, text } = world(t, {
    'frozen.yaml': frozen('one'),
    'pod.yaml': web(),
  })
  const serving = await start()
  const errors = async () => Object.fromEntries(await errorsOf(t, root))
  const none = { 'configmap:frozen': '', 'web v': '' }
  t.strictSame(await errors(), none)
  write('frozen.yaml', frozen('two'))
  const refused =
    /frozen\.yaml:5:1: ConfigMap default\/frozen: data: Forbidden: field is immutable/
  await eventually(async () =>
    refused.test((await errors())['configmap:frozen'] ?? ''),
  )
  t.match((await errors())['web v'], refused)
  t.equal(text('default/configmaps/frozen/key'), 'one')
  write('frozen.yaml', frozen('one'))
  await eventually(async () => (await errors())['configmap:frozen'] === '')
  t.strictSame(await errors(), none)

  write('pod.yaml', web('nothing: {}'))
  await eventually(async () =>
    /pod\.yaml:\d+:3: Pod default\/web: spec\.nothing: /.test(
      (await errors())['web v'] ?? '',
    ),
  )
  t.equal((await errors())['configmap:frozen'], '')
  write('pod.yaml', web())
  await eventually(async () => (await errors())['web v'] === '')
  await end(t, serving)
})

t.test('a whole source is away', { skip }, async t => {
  const { start, dir, root, text } = world(t, {
    'settings.yaml': configMap('settings', '{colour: blue}'),
  })
  const manifests = path.join(dir, 'manifests')
  const serving = await start()
  const error = async () => (await errorsOf(t, root)).get('configmap:settings')
  t.equal(await error(), '')
  renameSync(manifests, `${manifests}-away`)
  await eventually(
    async () =>
      (await error()) ===
      `${manifests}:1:1: no such file or directory; what was read before stays`,
  )
  t.equal(text('default/configmaps/settings/colour'), 'blue')
  renameSync(`${manifests}-away`, manifests)
  await eventually(async () => (await error()) === '')
  await serving.saw(/manifests: no mistakes any more/, 'stderr')
  await end(t, serving)
})

t.test('the ready line counts mistakes', { skip }, async t => {
  const { start, root } = world(t, {
    'good.yaml': configMap('good', '{key: value}'),
    'broken.yaml': configMap('broken', '{key: value'),
    'pod.yaml': pod('web', '{name: a, nothing: {}}'),
  })
  const serving = await start()
  t.equal(serving.stdout(), `podfs: ${root} ready (1 volume, 2 mistakes)\n`)
  await end(t, serving)
})
