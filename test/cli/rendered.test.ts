/*
 * Kustomizations and Helm charts at the command line: `run`, `mount`, `serve` and `validate`
 * with -k and --helm, by the real programs.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart, capability } from '../helpers/capability.ts'
import { eventually, podfs, startPodfs } from '../helpers/podfs.ts'
import { world } from '../helpers/served-world.ts'

t.setTimeout(240_000)
const noMount = cannotStart()
const skip = noMount === false ? capability('kubectl') : noMount
const skipHelm = noMount === false ? capability('helm') : noMount

const podYaml = `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: busybox
    command: [sh, -c, 'cat /etc/conf/colour; exec sleep 1000000']
    volumeMounts: [{name: conf, mountPath: /etc/conf}]
  volumes: [{name: conf, configMap: {name: web}}]
`

/** A base with a generated ConfigMap, whose name has a hash, and an overlay. */
function kustomization(t: Test) {
  const directory = mkdtempSync(path.join(tmpdir(), 'podfs-k-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const at = (name: string): string => path.join(directory, name)
  mkdirSync(at('base'))
  mkdirSync(at('overlays/dev'), { recursive: true })
  writeFileSync(at('base/web.yaml'), podYaml)
  writeFileSync(at('base/colour'), 'grey\n')
  const base =
    'resources: [web.yaml]\nconfigMapGenerator: [{name: web, files: [colour]}]\n'
  writeFileSync(at('base/kustomization.yaml'), base)
  writeFileSync(
    at('overlays/dev/kustomization.yaml'),
    'namePrefix: dev-\nresources: [../../base]\n',
  )
  return {
    at,
    directory,
    dev: at('overlays/dev'),
    paint: (colour: string) => writeFileSync(at('base/colour'), `${colour}\n`),
    configure: (text = base) =>
      writeFileSync(at('base/kustomization.yaml'), text),
  }
}

const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

t.test('mount: an edit, a mistake, and its mend', { skip }, async t => {
  const { at, directory, paint, configure } = kustomization(t)
  const mounting = startPodfs(t, ['mount', '-k', 'overlays/dev', 'vols'], {
    cwd: directory,
  })
  await mounting.saw(/ready \(1 volume\)/)
  const shown = (): string => textOf(at('vols/conf/colour'))
  t.equal(shown(), 'grey\n')
  paint('blue')
  await eventually(() => shown() === 'blue\n')
  configure('resourcez: []\n')
  await mounting.saw(
    /^error: overlays\/dev:1:1: kubectl kustomize: .*unknown field.*; what was rendered before stays$/m,
    'stderr',
  )
  t.equal(shown(), 'blue\n')
  configure()
  await mounting.saw(/^podfs: overlays\/dev: no mistakes any more$/m, 'stderr')
  paint('red')
  await eventually(() => shown() === 'red\n')
  t.equal(mounting.stderr().split('\n').length, 3, mounting.stderr())
  mounting.child.kill('SIGINT')
  t.equal((await mounting.ended).code, 0)
})

t.test('run: a new generated name restarts the Pod', { skip }, async t => {
  const { dev, paint } = kustomization(t)
  const running = startPodfs(t, ['run', '-k', dev])
  await running.saw(/^web \| grey$/m)
  paint('blue')
  await running.saw(
    /Pod default\/dev-web changed \(spec\.volumes\[0\]\.configMap\.name\): restarting it/,
    'stderr',
  )
  await running.saw(/^web \| blue$/m)
  t.notMatch(running.stderr(), /^error/m)
  running.child.kill('SIGINT')
  running.child.kill('SIGINT')
  t.equal((await running.ended).code, 130)
})

t.test(
  'serve: podfs.yaml, and a reload',
  { skip: skipHelm || cannotStart() },
  async t => {
    const { dev, paint, at } = kustomization(t)
    cpSync('test/fixtures/charts/shop', at('chart'), { recursive: true })
    const { start, at: served, configure, dir } = world(t, {})
    const relative = (file: string): string => path.relative(dir, file)
    writeFileSync(path.join(dir, 'dev.yaml'), 'greeting: Hello\n')
    configure('', `  kustomizations: [${relative(dev)}]\n`)
    const serving = await start()
    const colour = (): string =>
      textOf(served('default/pods/dev-web/conf/colour'))
    t.equal(colour(), 'grey\n')
    paint('blue')
    await eventually(() => colour() === 'blue\n')

    configure(
      '',
      `  kustomizations: [${relative(dev)}, nothing]
  charts: [{chart: ${relative(at('chart'))}, values: [dev.yaml]}]
`,
    )
    serving.child.kill('SIGHUP')
    await serving.saw(
      /nothing:1:1: no such file or directory; podfs waits for it/,
      'stderr',
    )
    const app = (): string =>
      textOf(served('default/configmaps/shop-shop/shop.conf'))
    await eventually(() => app().includes('Hello'))
    writeFileSync(path.join(dir, 'dev.yaml'), 'greeting: Goodbye\n')
    await eventually(() => app().includes('Goodbye'))
    configure('', '')
    serving.child.kill('SIGHUP')
    await eventually(() => app() === '' && colour() === '')
  },
)

t.test('validate', { skip: skipHelm }, async t => {
  const { dev, at } = kustomization(t)
  const good = await podfs(t, ['validate', '-k', dev])
  t.equal(good.code, 0)
  t.match(good.stdout, `rendering of ${dev}:`)
  writeFileSync(
    at('base/web.yaml'),
    podYaml.replace('name: conf,', 'nam: conf,'),
  )
  const bad = await podfs(t, ['validate', '-k', dev])
  t.equal(bad.code, 1)
  t.match(
    bad.stdout,
    new RegExp(
      `^error: rendering of ${dev}:\\d+:\\d+: Pod default/dev-web: spec\\.containers\\[0\\]\\.volumeMounts\\[0\\]`,
      'm',
    ),
  )
  const charts = 'test/fixtures/charts'
  const both = await podfs(t, [
    'validate',
    '-k',
    `${charts}/kustomize/dev`,
    '-f',
    `${charts}/rendered/migrator.yaml`,
    '--helm',
    `${charts}/shop`,
    '--helm',
    `${charts}/database`,
  ])
  t.equal(both.code, 0, both.stdout)
  for (const name of ['dev-web', 'demo-migrate', 'shop-shop', 'database-db'])
    t.match(both.stdout, name)
  t.equal(both.stderr, '')
  writeFileSync(at('base/web.yaml'), 'a: b\n')
  const broken = await podfs(t, ['validate', '-k', dev])
  t.equal(broken.code, 1)
  t.match(broken.stdout, /^error: .*overlays\/dev:1:1: kubectl kustomize: /m)
})

t.test('wrong usage, and a machine without the programs', async t => {
  const { dev, at } = kustomization(t)
  const bare = { wrapper: ['env', `PATH=${at('.')}`] }
  for (const [args, code, words] of [
    [
      ['validate', '-k', dev],
      3,
      `error: ${dev}: neither kubectl nor kustomize is installed`,
    ],
    [['validate', '--helm', dev], 3, `error: ${dev}: helm is not installed`],
    [
      ['validate', '-k', 'nothing'],
      2,
      'error: nothing: no such file or directory',
    ],
    [['validate', '-k', `${dev}/kustomization.yaml`], 2, `\n  -k ${dev}\n`],
    [['validate', '--values', 'a.yaml'], 2, '--values goes with --helm CHART'],
    [
      ['validate', '--helm', 'a', '--helm', 'b', '--values', 'c'],
      2,
      'sources.charts',
    ],
    [['validate', '-k', '-'], 2, 'standard input cannot be rendered'],
    [['config', 'view', '-k', dev, 'x'], 2, 'config takes one word'],
  ] as const) {
    const ended = await podfs(t, args, bare)
    t.equal(ended.code, code, args.join(' '))
    t.match(ended.stderr, words)
  }
})
