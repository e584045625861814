/*
 * `npm test`: every test file, or those that are named. Each is a bundle of its own in which nothing
 * is left to be found, compiled or registered: half a second of CPU less for each than with tap's
 * own runner, whose loaders `npx tap FILE` uses. Those that start no process are run by one for
 * each room (together.mjs), which is another tenth of a second. What tap's runner does besides is
 * done here: so many at a time, a limit for each, what it printed kept in .tap/test-results.
 */
import { execFileSync } from 'node:child_process'
import {
  createWriteStream,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import t from 'tap'

const bundles = '.tap/bundles'
const results = '.tap/test-results'
// Real containers, real mounts.
const alone = ['mount', 'process'].map(room =>
  path.join('test', room, path.sep),
)
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
const programs = programsOf(files)
await build({
  entryPoints: Object.fromEntries(
    programs.map(program => [
      program.name.replace(/\.ts$/, ''),
      entryOf(program),
    ]),
  ),
  outdir: bundles,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  alias: { 'async-hook-domain': path.resolve('test/test-domain.mjs') },
  // Programs that tests start, or libraries that look for their own files.
  external: ['esbuild', 'fuse-native', 'koffi', 'typescript'],
  // Bundled CommonJS modules require Node's own.
  banner: {
    js: `import { createRequire as forBundled } from 'node:module'
const require = forBundled(import.meta.url)`,
  },
  plugins: [
    { name: 'own tests', setup: giveOwnTests },
    { name: 'import.meta.url', setup: keepUrls },
  ],
  logLevel: 'warning',
})

t.jobs = jobs
t.setTimeout(0)
t.on('spawn', subtest => {
  // Several files keep theirs themselves.
  if (!files.includes(subtest.name)) return
  const file = path.join(results, `${subtest.name}.tap`)
  mkdirSync(path.dirname(file), { recursive: true })
  subtest.on('process', child => child.stdout.pipe(createWriteStream(file)))
})
// What these do in their own process an ordinary user may do as root of a namespace only.
const mounts = [
  'commands/',
  'linux/',
  'mount/',
  'pods/container-views',
  'process/',
  'runner/',
  'server/container-usage',
  'session/session-mounts',
  'sources/mounts',
  'volumes/',
  'writer/',
]
// It starts the program, which enters namespaces of its own.
const startsProgram = 'test/process/secrets.test.ts'
// The nodes that tests start, some thousands, inherit these: a loader of tap's, which t.spawn sets,
// and where the machine names more certificates all of those; each doubles what a start takes.
const without = ['-u', 'NODE_OPTIONS', '-u', 'NODE_EXTRA_CA_CERTS']
const namespace = process.getuid() === 0 ? [] : ownNamespace()
for (const { name, files } of programs)
  t.spawn(
    'env',
    [
      ...without,
      ...(name !== startsProgram &&
      files.some(file => mounts.some(place => file.startsWith(`test/${place}`)))
        ? namespace
        : []),
      process.execPath,
      path.join(bundles, name.replace(/(\.ts)?$/, '.mjs')),
    ],
    {
      buffered: true,
      timeout: timeout * 1000,
      env: { ...process.env, TAP_TIMEOUT: String(timeout) },
    },
    name,
  )

/** In the order of `files`: one for each that is alone, and one for all others of a room. */
function programsOf(files) {
  const programs = new Map()
  for (const file of files) {
    const name = isAlone(file) ? file : file.split(path.sep, 2).join(path.sep)
    programs.set(name, [...(programs.get(name) ?? []), file])
  }
  return [...programs].map(([room, files]) => ({
    name: files.length === 1 ? files[0] : room,
    files,
  }))
}

/** It, or a helper of its, starts processes, or does something with its own. */
function isAlone(file) {
  const text = readFileSync(file, 'utf8')
  const ofProcesses =
    /'(koffi|node:(child_process|worker_threads))'|\bprocess\.(chdir|exit|kill|on|once|set\w+|umask)\b/
  return (
    alone.some(room => file.startsWith(room)) ||
    ofProcesses.test(text) ||
    [...text.matchAll(/^(?:import(?! type)|\}) .*'(\.[^']+)'$/gm)]
      .map(([, imported]) => path.join(path.dirname(file), imported))
      .some(imported => imported.startsWith('test') && isAlone(imported))
  )
}

/** What runs them: the file itself, or a program that loads one after the other. */
function entryOf({ name, files }) {
  if (name === files[0]) return name
  const entry = path.resolve(bundles, `${name}.entry.mjs`)
  const quoted = file => JSON.stringify(path.resolve(file))
  mkdirSync(path.dirname(entry), { recursive: true })
  writeFileSync(
    entry,
    `import { runFiles } from ${quoted('test/together.mjs')}
await runFiles(${JSON.stringify(results)}, {
${files.map(file => `  ${JSON.stringify(file)}: () => import(${quoted(file)}),\n`).join('')}})
`,
  )
  return entry
}

/** A file that is not alone has as `t` the test that it is. */
function giveOwnTests(bundling) {
  const together = programs.flatMap(({ name, files }) =>
    name === files[0] ? [] : files.map(file => path.resolve(file)),
  )
  const namespace = 'own-test'
  bundling.onResolve({ filter: /^tap$/ }, ({ importer }) =>
    together.includes(importer) ? { path: importer, namespace } : undefined,
  )
  bundling.onLoad({ filter: /./, namespace }, () => ({
    contents: `import { testOfFile } from './test/together.mjs'
export default testOfFile()`,
    resolveDir: '.',
  }))
}

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
