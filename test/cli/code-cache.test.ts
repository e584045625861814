import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Script } from 'node:vm'
import { build } from 'esbuild'
import t from 'tap'

const bundles = ['podfs', 'fuse-server', 'pod-shim'].map(
  program => `${program}.bundle.cjs`,
)

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
      writeFileSync(path.join(directory, 'podfs.bundle.cjs.cache'), cache)
    const said = execFileSync(
      process.execPath,
      [path.join(directory, 'podfs.cjs'), 'explain', 'pod.spec'],
      { encoding: 'utf8' },
    )
    t.match(said, /^KIND: +Pod/, title)
  }
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
