/*
 * `npm test`: every test file, or those that are named. Each is a bundle of its own in which nothing
 * is left to be found, compiled or registered: half a second of CPU less for each than with tap's
 * own runner, whose loaders `npx tap FILE` uses. What tap's runner does besides is
 * done here: so many at a time, a limit for each, what it printed kept in .tap/test-results.
 */
import { execFileSync } from 'node:child_process'
import { createWriteStream, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import t from 'tap'

const bundles = '.tap/bundles'
const results = '.tap/test-results'
const { jobs, timeout } = JSON.parse(await readFile('package.json')).tap

const all = readdirSync('test', { recursive: true })
  .filter(file => file.endsWith('.test.ts'))
  .map(file => path.join('test', file))
const chosen = process.argv.slice(2)
// A file that has gone has no result.
if (chosen.length === 0) rmSync(results, { recursive: true, force: true })
rmSync(bundles, { recursive: true, force: true })
// These take half a minute and little of the processors, and would be alone at the end.
const areFirst = file => file.startsWith(path.join('test', 'systemd'))
const files =
  chosen.length > 0
    ? chosen
    : [
        ...all.filter(areFirst).sort(),
        ...all.filter(file => !areFirst(file)).sort(),
      ]
await build({
  entryPoints: files,
  outbase: '.',
  outdir: bundles,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // Programs that tests start, or libraries that look for their own files.
  external: ['esbuild', 'fuse-native', 'koffi', 'typescript'],
  // Bundled CommonJS modules require Node's own.
  banner: {
    js: `import { createRequire as forBundled } from 'node:module'
const require = forBundled(import.meta.url)`,
  },
  plugins: [{ name: 'import.meta.url', setup: keepUrls }],
  logLevel: 'warning',
})

t.jobs = jobs
t.setTimeout(0)
t.on('spawn', subtest => {
  const file = path.join(results, `${subtest.name}.tap`)
  mkdirSync(path.dirname(file), { recursive: true })
  subtest.on('process', child => child.stdout.pipe(createWriteStream(file)))
})
// What these do in their own process an ordinary user may do as root of a namespace only.
const mounts = [
  'commands',
  'linux',
  'mount',
  'process',
  'runner',
  'volumes',
  'writer',
]
// The nodes that tests start, some thousands, inherit these: a loader of tap's, which t.spawn sets,
// and where the machine names more certificates all of those; each doubles what a start takes.
const without = ['-u', 'NODE_OPTIONS', '-u', 'NODE_EXTRA_CA_CERTS']
const namespace = process.getuid() === 0 ? [] : ownNamespace()
for (const file of files)
  t.spawn(
    'env',
    [
      ...without,
      ...(mounts.some(room => file.startsWith(`test/${room}/`))
        ? namespace
        : []),
      process.execPath,
      path.join(bundles, file.replace(/ts$/, 'mjs')),
    ],
    {
      buffered: true,
      timeout: timeout * 1000,
      env: { ...process.env, TAP_TIMEOUT: String(timeout) },
    },
    file,
  )

/** Files beside a source are found from there, not from the bundle. */
function keepUrls(bundling) {
  bundling.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
    const text = await readFile(path, 'utf8')
    const url = JSON.stringify(String(pathToFileURL(path)))
    return { loader: 'ts', contents: text.replaceAll('import.meta.url', url) }
  })
}

/** What starts a program as podfs starts itself for an ordinary user (src/session/own-namespace.ts). */
function ownNamespace() {
  const unshare = ['unshare', '--user', '--map-root-user', '--mount']
  for (const more of [['--map-auto'], []])
    try {
      const words = [...unshare, ...more, '--propagation', 'slave', '--']
      execFileSync(words[0], [...words.slice(1), 'true'], { stdio: 'ignore' })
      return words
    } catch {
      // Without newuidmap or a range; or there are no user namespaces at all.
    }
  return []
}
