/*
 * `npm run build`: the program as a few files in dist/. Each of podfs's own processes is one
 * bundle, NAME.bundle.cjs, a function around a CommonJS module, with the code that V8 makes of it
 * beside it (code-cache.mjs), and NAME.cjs, which is started and loads it (load-bundle.cjs). An
 * `import()` in the sources is a require in the bundle: what it names is run when it is asked for.
 */
import { chmod, copyFile, rm, writeFile } from 'node:fs/promises'
import { build } from 'esbuild'
import { writeCodeCache } from './code-cache.mjs'
import { thirdParties } from './third-parties.mjs'

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
    './age-encryption.cjs',
    './grpc-js.cjs',
    './tar.cjs',
    './ws.cjs',
    // Of ws, which does without.
    'bufferutil',
    'utf-8-validate',
    // For channelz and ORCA, which nobody asks for.
    '@grpc/proto-loader',
  ],
  alias: {
    'age-encryption': './age-encryption.cjs',
    '@grpc/grpc-js': './grpc-js.cjs',
    tar: './tar.cjs',
    ws: './ws.cjs',
  },
}

const programs = {
  podfs: 'src/cli/start.ts',
  'fuse-server': 'src/fuse/server/server-main.ts',
  'pod-shim': 'src/pods/shim/shim-main.ts',
  'service-proxy': 'src/pods/proxy/proxy-main.ts',
}

const inputs = new Set()
noteInputs(
  await build({
    ...common,
    entryPoints: {
      'fuse-native-server': 'src/fuse/native/native-server-main.ts',
      'age-encryption': 'node_modules/age-encryption/dist/index.js',
      'grpc-js': 'node_modules/@grpc/grpc-js/build/src/index.js',
      tar: 'node_modules/tar/dist/esm/index.js',
      ws: 'node_modules/ws/index.js',
    },
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
  }),
)
for (const [name, entry] of Object.entries(programs)) {
  const filename = `dist/${name}.bundle.cjs`
  // V8 knows a source by its length alone: never beside the code of another one.
  await rm(`${filename}.cache`, { force: true })
  noteInputs(
    await build({
      ...common,
      entryPoints: [entry],
      outfile: filename,
      banner: { js: '(function (exports, require, module, __filename) {' },
      footer: { js: '})' },
    }),
  )
  writeCodeCache(filename)
  await copyFile('src/loader/load-bundle.cjs', `dist/${name}.cjs`)
}
await chmod('dist/podfs.cjs', 0o755)
for (const script of ['keeper.sh', 'mount-keeper.sh'])
  await copyFile(`src/fuse/keeper/${script}`, `dist/${script}`)

await writeFile('dist/THIRD-PARTY.txt', thirdParties([...inputs]))

/** What really is in a bundle: of some packages only a part is. */
function noteInputs({ metafile }) {
  for (const { inputs: used } of Object.values(metafile.outputs))
    for (const input of Object.keys(used)) inputs.add(input)
}
