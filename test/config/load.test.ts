import t from 'tap'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ConfigError } from '../../src/config/errors.ts'
import { layOver } from '../../src/config/layers.ts'
import { loadSettings, type LoadOptions } from '../../src/config/load.ts'
import { parseSettings } from '../../src/config/parse.ts'
import { settingsShape, type Settings } from '../../src/config/settings.ts'
import { leavesOf } from '../../src/config/setting-shape.ts'

const defaultSettings = layOver([]).settings
const settingsIn = (text: string): Settings =>
  layOver(parseSettings(text, 'podfs.yaml')).settings

t.test('config/podfs.yaml states the defaults', async t => {
  const text = await readFile('config/podfs.yaml', 'utf8')
  t.strictSame(settingsIn(text), defaultSettings)
})

t.test('config/podfs.yaml says which changes need a restart', async t => {
  const lines = (await readFile('config/podfs.yaml', 'utf8')).split('\n')
  for (const { path: names, shape } of leavesOf(settingsShape)) {
    const indent = '  '.repeat(names.length - 1)
    const at = lines.findIndex(line =>
      line.startsWith(`${indent}${names.at(-1)}:`),
    )
    const above = lines.slice(0, at)
    const comment = above
      .slice(above.findLastIndex(line => !/^ *#/.test(line)) + 1)
      .map(line => line.replace(/^ *# ?/, ''))
      .join(' ')
    t.equal(
      comment.includes('A change needs a restart.'),
      shape.live !== true,
      names.join('.'),
    )
  }
})

t.test('an empty file means the defaults', async t => {
  t.strictSame(settingsIn('# nothing\n'), defaultSettings)
})

t.test('settings are read', async t => {
  const settings = settingsIn(
    `logLevel: debug
fuse: {answerOpens: true}
images:
- pattern: web
  entrypoint: [node, server.js]
  env: {A: b}
`,
  )
  t.equal(settings.logLevel, 'debug')
  t.equal(settings.fuse.answerOpens, true)
  t.equal(settings.clusterDomain, 'cluster.local')
  t.strictSame(settings.images, [
    {
      pattern: 'web',
      entrypoint: ['node', 'server.js'],
      env: new Map([['A', 'b']]),
    },
  ])
})

t.test('every mistake is told with its place', async t => {
  const cases = [
    {
      text: 'loglevel: info\n',
      message:
        'podfs.yaml:1:1: loglevel: no such setting; did you mean logLevel?',
    },
    {
      text: 'logLevel: loud\n',
      message:
        'podfs.yaml:1:11: logLevel: "loud" must be one of trace, debug, info, warn, error, silent',
    },
    {
      text: 'backend: nfs\n',
      message:
        'podfs.yaml:1:10: backend: "nfs" must be one of fuse, fuse-native, dir, auto',
    },
    {
      text: 'fuse:\n  answerOpens: "yes"\n',
      message: 'podfs.yaml:2:16: fuse.answerOpens: must be true or false',
    },
    {
      text: 'images:\n- entrypoint: [sh]\n',
      message: 'podfs.yaml:2:3: images[0].pattern: is required',
    },
    {
      text: 'images: [{patern: x}]\n',
      message:
        'podfs.yaml:1:11: images[0].patern: no such setting; did you mean images[0].pattern?',
    },
    {
      text: 'run: anotated\n',
      message:
        'podfs.yaml:1:6: run: "anotated" must be one of none, annotated, all; did you mean annotated?',
    },
    {
      text: 'access: group\n',
      message:
        'podfs.yaml:1:9: access: "group" must be owner, everybody or group:NAME',
    },
    {
      text: 'sources:\n  secrets: [{directory: a, name: ../b}]\n',
      message:
        'podfs.yaml:2:34: sources.secrets[0].name: "../b" must be lower-case letters, digits, - and .',
    },
    // Not the directory of the file, nor the working directory.
    {
      text: 'root: ""\nsources:\n  manifests: [k8s, ""]\n',
      message:
        'podfs.yaml:1:7: root: "" must be a path\npodfs.yaml:3:20: sources.manifests[1]: "" must be a path',
    },
    ...['0', '2', '"1"', 'fast', '.nan', '0x1p1'].map(value => ({
      text: `backoffScale: ${value}\n`,
      message: 'podfs.yaml:1:15: backoffScale: must be a number from 0.01 to 1',
    })),
    { text: 'images: {}\n', message: 'podfs.yaml:1:9: images: must be a list' },
    { text: '- a\n', message: 'podfs.yaml:1:1: must be a map' },
    {
      text: 'zzzzzz: 1\nclusterDomain: 7\n',
      message:
        'podfs.yaml:1:1: zzzzzz: no such setting\npodfs.yaml:2:16: clusterDomain: must be a string',
    },
  ]
  for (const { text, message } of cases)
    t.throws(() => parseSettings(text, 'podfs.yaml'), {
      name: 'ConfigError',
      message,
    })
  t.throws(() => parseSettings('a: [\n', 'podfs.yaml'), ConfigError)
})

t.test('the first file found counts', async t => {
  const cwd = t.testdir({
    'podfs.yaml': 'logLevel: warn\n',
    'other.yaml': 'logLevel: error\n',
    empty: {},
    home: { '.config': { podfs: { 'podfs.yaml': 'logLevel: info\n' } } },
  })
  const level = async (given: Partial<LoadOptions>) =>
    (await load(cwd, given)).settings.logLevel
  t.equal(await level({}), 'warn')
  t.equal(await level({ env: { PODFS_CONFIG: 'other.yaml' } }), 'error')
  await writeFile(path.join(cwd, 'third.yaml'), 'logLevel: trace\n')
  t.equal(
    await level({
      explicit: 'third.yaml',
      env: { PODFS_CONFIG: 'other.yaml' },
    }),
    'trace',
  )
  await t.rejects(level({ explicit: 'missing.yaml' }), { code: 'ENOENT' })
  await t.rejects(level({ explicit: '.' }), { code: 'EISDIR', path: cwd })
  const user = {
    cwd: path.join(cwd, 'empty'),
    env: { HOME: path.join(cwd, 'home') },
  }
  t.equal(await level({ ...user, uid: 1000 }), 'info', "a user's own")
  t.equal(await level(user), 'warn', 'which is not for root')
})

t.test('a variable wins over the file, a flag over both', async t => {
  const cwd = t.testdir({
    'podfs.yaml': 'logLevel: info\nbackend: dir\nfuse:\n  answerOpens: true\n',
  })
  const { settings, given } = await load(cwd, {
    env: {
      PODFS_BACKEND: 'auto',
      PODFS_LOG_LEVEL: 'debug',
      PODFS_CLUSTER_DOMAIN: '',
    },
    flags: [{ setting: 'logLevel', flag: '--log-level', word: 'error' }],
  })
  t.match(settings, {
    logLevel: 'error',
    backend: 'auto',
    fuse: { answerOpens: true },
  })
  t.strictSame(
    given.map(({ path, origin }) => `${path.join('.')}: ${origin}`),
    [
      'logLevel: --log-level',
      'clusterDomain: default',
      'serviceAccountIssuer: default',
      'backend: PODFS_BACKEND',
      'fuse.answerOpens: podfs.yaml:4',
      'ageKeyFile: default',
      'images: default',
      'backoffScale: default',
      'network: default',
      'cni.confDir: default',
      'cni.binDirs: default',
      'serviceSubnet: default',
      'logStorage: default',
      'containerLogMaxSize: default',
      'containerLogMaxFiles: default',
      'hostDirectories: default',
      'privileged: default',
      'allowedUnsafeSysctls: default',
      'node.labels: default',
      'node.taints: default',
      'root: default',
      'access: default',
      'run: default',
      'sources.namespace: default',
      'sources.manifests: default',
      'sources.kustomizations: default',
      'sources.charts: default',
      'sources.configMaps: default',
      'sources.secrets: default',
    ],
  )
})

t.test('a number, in the file and in a variable', async t => {
  const cwd = t.testdir({ 'podfs.yaml': 'backoffScale: 0.5\n' })
  const scale = async (env: NodeJS.ProcessEnv = {}) =>
    (await load(cwd, { env })).settings.backoffScale
  t.equal(await scale(), 0.5)
  t.equal(await scale({ PODFS_BACKOFF_SCALE: '.1' }), 0.1)
  for (const word of ['x', ' ', '2', '-1'])
    await t.rejects(scale({ PODFS_BACKOFF_SCALE: word }), {
      message: /PODFS_BACKOFF_SCALE.* must be a number from 0\.01 to 1/,
    })
})

t.test('paths begin at the directory of the file, or here', async t => {
  const cwd = t.testdir({
    etc: {
      'podfs.yaml':
        'root: mnt\nsources: {manifests: [k8s, /abs, ../up], secrets: [{directory: s, name: s}]}\n',
    },
  })
  const { settings } = await load(cwd, { explicit: 'etc/podfs.yaml' })
  t.match(settings, {
    root: 'etc/mnt',
    sources: {
      manifests: ['etc/k8s', '/abs', 'up'],
      secrets: [{ directory: 'etc/s', name: 's' }],
    },
  })
  const over = await load(cwd, {
    explicit: 'etc/podfs.yaml',
    env: { PODFS_ROOT: 'other' },
    flags: [{ setting: 'sources.manifests', flag: '-f', word: ['a', 'b'] }],
  })
  t.match(over.settings, {
    root: 'other',
    sources: { manifests: ['a', 'b'], namespace: 'default' },
  })
})

t.test('a mistake in a variable is told with its name', async t => {
  const cwd = t.testdir({})
  await t.rejects(
    load(cwd, { env: { PODFS_BACKEND: 'nfs', PODFS_FUSE_ANSWER_OPENS: '1' } }),
    {
      name: 'ConfigError',
      message:
        'PODFS_BACKEND nfs: must be one of fuse, fuse-native, dir, auto\n' +
        'PODFS_FUSE_ANSWER_OPENS 1: must be true or false',
    },
  )
})

async function load(cwd: string, given: Partial<LoadOptions>) {
  return await loadSettings({
    explicit: undefined,
    env: {},
    cwd,
    uid: 0,
    ...given,
  })
}
