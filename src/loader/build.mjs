/*
 * `npm run build`: the program as a few files in dist/; dist/files.txt names them. Each of podfs's
 * own processes is NAME.cjs, which is started, and loads NAME.bundle.cjs beside it
 * (load-bundle.cjs) with the code that V8 makes of it (code-cache.mjs); podfs itself is several of
 * these (split.mjs). An `import()` in the sources is a require in a bundle: what it names is run
 * when it is asked for.
 */
import { chmod, copyFile, readdir, rm, writeFile } from 'node:fs/promises'
import { build } from 'esbuild'
import { writeCodeCache } from './code-cache.mjs'
import { splitPodfs } from './split.mjs'
import { thirdParties } from './third-parties.mjs'

/** Packages that few need, each a file of its own. */
const packages = {
  'age-encryption': 'dist/index.js',
  '@grpc/grpc-js': 'build/src/index.js',
  tar: 'dist/esm/index.js',
  ws: 'index.js',
}
const fileOf = name => name.split('/').at(-1)

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'cjs',
  logLevel: 'warning',
  metafile: true,
  // A script has none; a require is as late.
  supported: { 'dynamic-import': false },
  external: [
    'fuse-native',
    'koffi',
    ...Object.keys(packages).map(name => `./${fileOf(name)}.cjs`),
    // Of ws, which does without.
    'bufferutil',
    'utf-8-validate',
    // For channelz and ORCA, which nobody asks for.
    '@grpc/proto-loader',
  ],
  alias: Object.fromEntries(
    Object.keys(packages).map(name => [name, `./${fileOf(name)}.cjs`]),
  ),
}

const programs = {
  'fuse-server': 'src/fuse/server/server-main.ts',
  'pod-shim': 'src/pods/shim/shim-main.ts',
  'service-proxy': 'src/pods/proxy/proxy-main.ts',
  gateway: 'src/pods/gateway/gateway-main.ts',
}

// Not the modules of another build; and V8 knows a source by its length alone: never beside the
// code of another one.
for (const name of await readdir('dist').catch(() => []))
  if (/\.bundle\.cjs(\.cache)?$/.test(name)) await rm(`dist/${name}`)

const inputs = new Set()
const scripts = ['keeper.sh', 'mount-keeper.sh', 'fusermount.py']
const files = [...scripts, 'THIRD-PARTY.txt']
await buildAlone('fuse-native-server', 'src/fuse/native/native-server-main.ts')
await buildAlone('fusermount', 'src/fuse/keeper/fusermount-main.ts')
await buildAlone('begin-mount', 'src/fuse/mount/begin-mount-main.ts')
for (const [name, entry] of Object.entries(packages))
  await buildAlone(fileOf(name), `node_modules/${name}/${entry}`)
for (const [name, entry] of Object.entries(programs)) {
  const built = await build({ ...common, entryPoints: [entry], write: false })
  noteInputs(built)
  await writeProgram(name)
  await writeBundle(name, [{ name: 'main', code: built.outputFiles[0].text }])
}
const podfs = await splitPodfs(common)
noteInputs(podfs)
await writeProgram('podfs')
await chmod('dist/podfs.cjs', 0o755)
for (const [name, modules] of podfs.bundles) await writeBundle(name, modules)
for (const script of scripts)
  await copyFile(`src/fuse/keeper/${script}`, `dist/${script}`)
await writeFile('dist/THIRD-PARTY.txt', thirdParties([...inputs]))
await writeFile('dist/files.txt', `${files.join('\n')}\n`)

async function buildAlone(name, entry) {
  files.push(`${name}.cjs`)
  const outfile = `dist/${name}.cjs`
  noteInputs(await build({ ...common, entryPoints: [entry], outfile }))
}

async function writeProgram(name) {
  files.push(`${name}.cjs`)
  await copyFile('src/loader/load-bundle.cjs', `dist/${name}.cjs`)
}

/** A script that gives functions around modules, by their names. */
async function writeBundle(name, modules) {
  files.push(`${name}.bundle.cjs`)
  const filename = `dist/${name}.bundle.cjs`
  const functions = modules.map(
    ({ name, code }) =>
      `${JSON.stringify(name)}(exports, require, module) {\n${code}},\n`,
  )
  await writeFile(filename, `({\n${functions.join('')}})\n`)
  writeCodeCache(filename)
}

/** What really is in a bundle: of some packages only a part is. */
function noteInputs({ metafile }) {
  for (const { inputs: used } of Object.values(metafile.outputs))
    for (const input of Object.keys(used)) inputs.add(input)
}
