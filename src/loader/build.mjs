/*
 * `npm run build`: the program as a few files in dist/.
 *
 * Of podfs and of its file server every start waits, so that each is cut into packs: what
 * every start needs, and what only some need, which is loaded when the first of it is asked
 * for (an `import()` in the sources). A pack is a script whose value is its modules, each a
 * function as CommonJS knows them; load-bundle.cjs puts them together. Beside each pack is the
 * code that V8 makes of it (code-cache.mjs).
 */
import { chmod, copyFile, rm, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { build, transform } from 'esbuild'
import { writeCodeCache } from './code-cache.mjs'
import { thirdParties } from './third-parties.mjs'

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  logLevel: 'warning',
  external: ['fuse-native', './age-encryption.cjs'],
  alias: { 'age-encryption': './age-encryption.cjs' },
}

/** Of each program: its packs, each with the modules that it begins with; the first one starts. */
const programs = {
  podfs: {
    podfs: [
      'src/cli/main.ts',
      'src/cli/run.ts',
      'src/commands/run-session.ts',
      'src/cli/mount.ts',
      'src/commands/mount-session.ts',
    ],
    session: ['src/pods/running-pods.ts', 'src/commands/mounted-volumes.ts'],
    server: ['src/server/api-server.ts', 'src/server/metrics.ts'],
    more: [],
  },
  'fuse-server': {
    'fuse-server': ['src/fuse/server/server-main.ts'],
    'fuse-control': [],
  },
  'pod-shim': { 'pod-shim': ['src/pods/shim/shim-main.ts'] },
}

const inputs = new Set()
const { metafile } = await build({
  ...common,
  metafile: true,
  entryPoints: {
    'fuse-native-server': 'src/fuse/native/native-server-main.ts',
    'age-encryption': 'node_modules/age-encryption/dist/index.js',
  },
  format: 'cjs',
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
})
noteInputs(metafile)
for (const [name, packs] of Object.entries(programs)) {
  await buildProgram(packs)
  await copyFile('src/loader/load-bundle.cjs', `dist/${name}.cjs`)
}
await chmod('dist/podfs.cjs', 0o755)
for (const script of ['keeper.sh', 'mount-keeper.sh'])
  await copyFile(`src/fuse/keeper/${script}`, `dist/${script}`)

await writeFile('dist/THIRD-PARTY.txt', thirdParties([...inputs]))

/** What really is in a bundle: of some packages only a part is. */
function noteInputs({ outputs }) {
  for (const { inputs: used } of Object.values(outputs))
    for (const input of Object.keys(used)) inputs.add(input)
}

async function buildProgram(packs) {
  const names = Object.keys(packs)
  const [start] = packs[names[0]]
  const { outputFiles, metafile } = await build({
    ...common,
    entryPoints: [start],
    splitting: true,
    format: 'esm',
    outdir: 'dist',
    write: false,
    metafile: true,
  })
  noteInputs(metafile)
  const texts = new Map(
    outputFiles.map(({ path, text }) => [basename(path), text]),
  )
  const outputs = new Map(
    Object.entries(metafile.outputs).map(([path, { entryPoint, imports }]) => [
      basename(path),
      { entryPoint, imports },
    ]),
  )
  const packOf = new Map()
  for (const [pack, entries] of Object.entries(packs))
    for (const entry of entries)
      for (const path of statically(outputs, entry))
        if (!packOf.has(path)) packOf.set(path, pack)
  const last = names.at(-1)
  for (const path of outputs.keys())
    if (!packOf.has(path)) packOf.set(path, last)
  const idOf = name => `./${name}`
  const startPath = [...outputs].find(([, o]) => o.entryPoint === start)[0]
  for (const pack of names) {
    const modules = []
    for (const [path, owner] of packOf) {
      if (owner !== pack) continue
      const { code } = await transform(texts.get(path), {
        format: 'cjs',
        platform: 'node',
        target: common.target,
        supported: { 'dynamic-import': false },
      })
      modules.push(
        `${JSON.stringify(idOf(path))}(exports, require, module) {\n${code}}`,
      )
    }
    const facts =
      pack === names[0]
        ? `entry: ${JSON.stringify(idOf(startPath))},\nelsewhere: ${JSON.stringify(
            Object.fromEntries(
              [...packOf]
                .filter(([, owner]) => owner !== pack)
                .map(([path, owner]) => [idOf(path), owner]),
            ),
          )},\n`
        : ''
    const filename = `dist/${pack}.bundle.cjs`
    // V8 knows a source by its length alone: never beside the code of another one.
    await rm(`${filename}.cache`, { force: true })
    await writeFile(
      filename,
      `({${facts}modules: {\n${modules.join(',\n')}\n}})\n`,
    )
    writeCodeCache(filename)
  }
}

/** The files that are loaded with a module, itself included. */
function statically(outputs, entry) {
  const [path] = [...outputs].find(([, { entryPoint }]) => entryPoint === entry)
  const found = new Set([path])
  for (const each of found)
    for (const { path, kind } of outputs.get(each).imports)
      if (kind === 'import-statement' && outputs.has(basename(path)))
        found.add(basename(path))
  return found
}
