import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { Script } from 'node:vm'
import { build } from 'esbuild'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { askSocket } from '../helpers/ask-socket.ts'
import { eventually, startPodfs, runtimeDirectory } from '../helpers/podfs.ts'

const skip = cannotStart()

const files = readFileSync('dist/files.txt', 'utf8').trimEnd().split('\n')
const bundles = files.filter(name => name.endsWith('.bundle.cjs'))

t.test('V8 takes the code that was made of each bundle', async t => {
  for (const bundle of bundles) {
    const filename = path.resolve('dist', bundle)
    const script = new Script(readFileSync(filename, 'latin1'), {
      filename,
      cachedData: readFileSync(`${filename}.cache`),
    })
    t.equal(script.cachedDataRejected, false, bundle)
  }
})

t.test('a bundle is ASCII: it is read without decoding', async t => {
  for (const bundle of bundles)
    t.ok(
      readFileSync(path.resolve('dist', bundle)).every(byte => byte < 0x80),
      bundle,
    )
})

t.test('without that code, or with a wrong one, it runs too', async t => {
  const cases = {
    none: undefined,
    empty: Buffer.alloc(0),
    garbage: Buffer.alloc(4096, 0xaa),
    'of another bundle': readFileSync('dist/fuse-server.bundle.cjs.cache'),
  }
  for (const [title, cache] of Object.entries(cases)) {
    const directory = t.testdir({})
    for (const name of ['podfs.cjs', ...bundles])
      copyFileSync(path.join('dist', name), path.join(directory, name))
    if (cache !== undefined)
      for (const bundle of bundles)
        writeFileSync(path.join(directory, `${bundle}.cache`), cache)
    const said = execFileSync(
      process.execPath,
      [path.join(directory, 'podfs.cjs'), 'explain', 'pod.spec'],
      { encoding: 'utf8' },
    )
    t.match(said, /^KIND: +Pod/, title)
  }
})

/** The bundles that a command loads, in their order. */
function loadedBy(...words: readonly string[]): readonly string[] {
  const { stderr } = spawnSync(
    process.execPath,
    ['--require', path.resolve('test/fixtures/tells-bundles.cjs')].concat(
      'dist/podfs.cjs',
      words,
    ),
    { encoding: 'utf8' },
  )
  return [...stderr.matchAll(/^loads (.*)\.bundle\.cjs$/gm)].map(
    ([, name = '']) => name,
  )
}

t.test('a command loads no more than it needs', async t => {
  t.strictSame(loadedBy('--version'), ['podfs'])
  const asking = loadedBy('get', 'pods')
  t.ok(asking.includes('podfs-commands'))
  for (const name of ['podfs-session', 'podfs-later', 'podfs-yaml'])
    t.notOk(asking.includes(name), name)
  t.ok(loadedBy('get', 'pods', '-o', 'yaml').includes('podfs-yaml'))
})

t.test('a session has all its code when it is under way', { skip }, async t => {
  const dir = t.testdir({
    conf: { colour: 'blue' },
    'pod.yaml': `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  restartPolicy: Never
  containers:
  - {name: c, image: busybox, command: [sh, -c, 'until [ -e ${t.testdirName}/end ]; do sleep 0.1; done; exit 3']}
`,
  })
  const build = path.join(dir, 'build')
  cpSync('dist', build, { recursive: true })
  const program = path.join(build, 'podfs.cjs')
  const mount = startPodfs(
    t,
    ['mount', path.join(dir, 'conf'), path.join(dir, 'mnt')],
    { program },
  )
  const run = startPodfs(
    t,
    ['run', '--host-root', '-f', path.join(dir, 'pod.yaml')],
    { program },
  )
  for (const [{ pid }, name] of [
    [mount, 'mount'],
    [run, 'run'],
  ] as const)
    await eventually(() =>
      existsSync(`${runtimeDirectory}/${name}-${pid}/api.sock`),
    )
  // As an update does.
  for (const name of readdirSync(build))
    if (name.startsWith('podfs')) rmSync(path.join(build, name))
  const socket = `${runtimeDirectory}/mount-${mount.pid}/api.sock`
  t.match(await askSocket(socket, '/metrics'), /^podfs_/m)
  writeFileSync(path.join(dir, 'end'), '')
  const { code, stderr } = await run.ended
  t.match(stderr, 'exit code 3')
  t.equal(code, 1)
  mount.child.kill('SIGTERM')
  t.equal((await mount.ended).code, 0)
})

t.test('what only some commands need is not run by every start', async t => {
  const { metafile } = await build({
    entryPoints: ['src/cli/main.ts'],
    bundle: true,
    platform: 'node',
    write: false,
    metafile: true,
    logLevel: 'silent',
    external: ['fuse-native'],
  })
  const run = new Set(['src/cli/main.ts'])
  for (const file of run)
    for (const { path, kind, external } of metafile.inputs[file]?.imports ?? [])
      if (kind !== 'dynamic-import' && external !== true) run.add(path)
  for (const name of ['yaml', 'prom-client', 'ignore'])
    t.notOk(
      [...run].some(file => file.startsWith(`node_modules/${name}/`)),
      name,
    )
  t.ok(run.has('src/util/failure.ts'))
})
