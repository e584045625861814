import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Script } from 'node:vm'
import t from 'tap'

const bundles = [
  'podfs.bundle.cjs',
  'fuse-server.bundle.cjs',
  'pod-shim.bundle.cjs',
]

/** The bundle as the loader gives it to V8. */
function wrap(source: string): string {
  return `(function (exports, require, module, __filename, __dirname) { ${source}\n})`
}

t.test('V8 takes the code that was made of each bundle', async t => {
  for (const bundle of bundles) {
    const filename = path.resolve('dist', bundle)
    const script = new Script(wrap(readFileSync(filename, 'latin1')), {
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
    for (const name of ['podfs.cjs', 'podfs.bundle.cjs'])
      copyFileSync(path.join('dist', name), path.join(directory, name))
    if (cache !== undefined)
      writeFileSync(path.join(directory, 'podfs.bundle.cjs.cache'), cache)
    const said = execFileSync(
      process.execPath,
      [path.join(directory, 'podfs.cjs'), '--version'],
      { encoding: 'utf8' },
    )
    t.match(said, /^podfs \d/, title)
  }
})
