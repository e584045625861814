/*
 * What `npm pack` makes of the project, and what `npm install -g` makes of that.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

t.setTimeout(240_000)

interface PackageJson {
  readonly private?: boolean
  readonly version: string
  readonly devDependencies: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const packageJson = JSON.parse(
  readFileSync('package.json', 'utf8'),
) as PackageJson

/** The project is built already; its name is the file's. */
const pack = (...args: string[]): string =>
  execFileSync('npm', ['pack', '--ignore-scripts', '--json', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })

t.test('what is published', async t => {
  const [{ files }] = JSON.parse(pack('--dry-run')) as [
    { files: readonly { readonly path: string }[] },
  ]
  const names = new Set(files.map(file => file.path))
  t.strictSame(
    [...names].filter(name => /^(src|test|bench)\/|bench|\.cache$/.test(name)),
    ['src/loader/code-cache.mjs'],
    'the program, and nothing that only its makers need',
  )
  for (const page of [...names].filter(name => name.endsWith('.md')))
    for (const [, target = ''] of readFileSync(page, 'utf8')
      .replaceAll(/`[^`]*`/g, '')
      .matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^https?:/.test(target)) continue
      const file = path.join(path.dirname(page), target)
      t.ok(
        names.has(file) || [...names].some(name => name.startsWith(`${file}/`)),
        `${page}: ${target}`,
      )
    }
  t.ok(names.has('LICENSE'))
  t.notOk(packageJson.private, 'it can be published')
})

t.test('nothing that is bundled comes a second time', async t => {
  t.strictSame(packageJson.dependencies ?? {}, {})
  t.strictSame(Object.keys(packageJson.optionalDependencies ?? {}), [
    'fuse-native',
    'koffi',
  ])
})

t.test('the licences of what is bundled come with it', async t => {
  const [said = '', ...parts] = readFileSync(
    'dist/THIRD-PARTY.txt',
    'utf8',
  ).split(`${'='.repeat(72)}\n`)
  t.match(said, 'podfs contains parts of these packages')
  const found = new Map(
    parts.map(part => [part.slice(0, part.indexOf(' ')), part]),
  )
  for (const name of [
    '@grpc/grpc-js',
    'age-encryption',
    'chokidar',
    'jose',
    'pino',
    'src/api/yaml',
    'yaml',
  ])
    t.ok(found.has(name), name)
  for (const [name, text] of found) {
    t.match(
      text,
      name.startsWith('src/')
        ? /^\S+ follows .*, [\w. -]+\n\n/
        : /^\S+ \d+\.\d+\.\d+\S*, [\w.-]+\n\n/,
      name,
    )
    t.match(text, /copyright|permission/i, `${name}: its own words`)
  }
})

t.test('npm install -g of the file works, with a code cache', async t => {
  const directory = t.testdir({})
  pack('--pack-destination', directory)
  const file = path.join(directory, `podfs-${packageJson.version}.tgz`)
  // Offline: nothing has to be fetched, and what is optional may be missing.
  const { status, stderr } = spawnSync(
    'npm',
    [
      'install',
      '--global',
      `--prefix=${directory}/prefix`,
      '--offline',
      '--no-audit',
      '--no-fund',
      file,
    ],
    { encoding: 'utf8' },
  )
  t.equal(status, 0, stderr)
  const installed = path.join(directory, 'prefix/lib/node_modules/podfs')
  for (const name of Object.keys(packageJson.devDependencies))
    t.notOk(existsSync(path.join(installed, 'node_modules', name)), name)
  t.match(
    spawnSync(`${directory}/prefix/bin/podfs`, ['doctor', '-o', 'json'], {
      encoding: 'utf8',
      cwd: '/',
    }).stdout,
    /"name": "code cache",\s+"status": "ok"/,
  )
})
