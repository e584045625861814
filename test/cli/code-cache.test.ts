import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Script } from 'node:vm'
import t from 'tap'

const packs = [
  'podfs',
  'session',
  'server',
  'more',
  'fuse-server',
  'fuse-control',
  'pod-shim',
]
const bundles = packs.map(pack => `${pack}.bundle.cjs`)

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

t.test('what every start needs is a small part of the program', async t => {
  const size = (pack: string): number =>
    statSync(path.resolve('dist', `${pack}.bundle.cjs`)).size
  const all = packs.map(size).reduce((sum, each) => sum + each, 0)
  t.ok(size('podfs') < all / 3, `${size('podfs')} of ${all} bytes`)
  // It would mean that the first pack has one of them, too.
  const text = readFileSync('dist/podfs.bundle.cjs', 'latin1')
  for (const name of ['yaml', 'prom-client', 'ignore'])
    t.notMatch(text, `node_modules/${name}/`, name)
})
