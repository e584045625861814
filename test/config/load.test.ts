import t from 'tap'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import {
  ConfigError,
  loadSettings,
  parseSettings,
} from '../../src/config/load.ts'
import { defaultSettings } from '../../src/config/settings.ts'

t.test('config/podfs.yaml states the defaults', async t => {
  const text = await readFile('config/podfs.yaml', 'utf8')
  t.strictSame(parseSettings(text, 'podfs.yaml'), defaultSettings)
})

t.test('an empty file means the defaults', async t => {
  t.strictSame(parseSettings('# nothing\n', 'podfs.yaml'), defaultSettings)
})

t.test('settings are read', async t => {
  const settings = parseSettings(
    `logLevel: debug
fuse: {answerOpens: true}
images:
- pattern: web
  entrypoint: [node, server.js]
  env: {A: b}
`,
    'podfs.yaml',
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
        'podfs.yaml:1:11: logLevel: must be one of trace, debug, info, warn, error, silent',
    },
    {
      text: 'backend: nfs\n',
      message:
        'podfs.yaml:1:10: backend: must be one of fuse, fuse-native, dir, auto',
    },
    {
      text: 'fuse:\n  answerOpens: "yes"\n',
      message: 'podfs.yaml:2:16: fuse.answerOpens: must be true or false',
    },
    {
      text: 'images:\n- entrypoint: [sh]\n',
      message: 'podfs.yaml:2:3: images[0].pattern: is required',
    },
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
  })
  const level = async (explicit: string | undefined, env: NodeJS.ProcessEnv) =>
    (await loadSettings({ explicit, env, cwd })).logLevel
  t.equal(await level(undefined, {}), 'warn')
  t.equal(await level(undefined, { PODFS_CONFIG: 'other.yaml' }), 'error')
  await writeFile(path.join(cwd, 'third.yaml'), 'logLevel: trace\n')
  t.equal(await level('third.yaml', { PODFS_CONFIG: 'other.yaml' }), 'trace')
  await t.rejects(level('missing.yaml', {}), { code: 'ENOENT' })
})
