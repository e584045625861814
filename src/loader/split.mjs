/*
 * podfs itself as several bundles, of which a start reads those that it needs: V8 takes as long to
 * read the code that it made of a bundle as there is of it, run or not.
 *
 * esbuild cuts the program where it has an `import()`, into modules that share what they need, so
 * that nothing is there twice; each bundle has many of them.
 */
import path from 'node:path'
import { build, transform } from 'esbuild'

const start = 'src/cli/start.ts'
const main = 'src/cli/main.ts'
/** What `run` and `mount` need until the file server is on its way. */
const starters = [
  'src/cli/run.ts',
  'src/cli/mount.ts',
  'src/commands/run-session.ts',
  'src/commands/mount-session.ts',
]
/** What is loaded while it starts; where there is a podfs.yaml, before. */
const sessions = [
  'src/config/parse.ts',
  'src/commands/run-pods.ts',
  'src/commands/mounted-volumes.ts',
  'src/commands/serve-session.ts',
]
/** Commands that ask a podfs that runs. */
const asking = /^src\/(cli|client)\//
const yaml = 'node_modules/yaml/dist/index.js'

/** The modules of each bundle; they name one another BUNDLE#NAME (load-bundle.cjs). */
export async function splitPodfs(options) {
  const { supported, platform, target } = options
  const { metafile, outputFiles } = await build({
    ...options,
    entryPoints: { main: start },
    outdir: 'dist',
    chunkNames: '[name]-[hash]',
    format: 'esm',
    splitting: true,
    supported: {},
    write: false,
  })
  const bundleOf = bundlesOf(metafile.outputs)
  const bundles = new Map()
  for (const { path: file, text } of outputFiles) {
    const linked = text.replaceAll(/"\.\/([\w.-]+\.js)"/g, (quoted, other) =>
      bundleOf.has(other)
        ? `"${bundleOf.get(other)}#${moduleName(other)}"`
        : quoted,
    )
    const { code } = await transform(linked, {
      format: 'cjs',
      // As it is in a module.
      banner: '"use strict";',
      supported,
      platform,
      target,
    })
    const bundle = bundleOf.get(path.basename(file))
    const others = bundles.get(bundle) ?? []
    bundles.set(bundle, [...others, { name: moduleName(file), code }])
  }
  return { metafile, bundles }
}

function moduleName(file) {
  return path.basename(file, '.js')
}

/** The bundle of each module. */
function bundlesOf(modules) {
  const entries = new Map(
    Object.entries(modules).map(([file, { entryPoint }]) => [entryPoint, file]),
  )
  /** What is loaded with some sources; with `later`, what they may load at any time, too. */
  const neededBy = (sources, later = false) => {
    const found = new Set(
      sources.map(source => {
        if (entries.has(source)) return entries.get(source)
        throw new Error(`${source} is in no import()`)
      }),
    )
    for (const file of found)
      for (const { path, kind, external } of modules[file].imports)
        if (!external && (later || kind !== 'dynamic-import')) found.add(path)
    return [...found]
  }
  const bundleOf = new Map()
  const put = (bundle, files) => {
    for (const name of files.map(file => path.basename(file)))
      if (!bundleOf.has(name)) bundleOf.set(name, bundle)
  }
  const asked = neededBy(
    [...entries.keys()].filter(source => asking.test(source)),
  )
  const ofSessions = neededBy([...starters, ...sessions], true)
  put('podfs', neededBy([start, main]))
  put('podfs-start', neededBy(starters))
  put(
    'podfs-shared',
    ofSessions.filter(file => asked.includes(file)),
  )
  put('podfs-session', neededBy(sessions))
  // It has the API, which a session loads as soon as nobody waits for it. From then on its
  // directory may go, as with an update, or be another version's.
  put('podfs-later', ofSessions)
  put(
    'podfs-yaml',
    Object.keys(modules).filter(file => yaml in modules[file].inputs),
  )
  put('podfs-commands', Object.keys(modules))
  return bundleOf
}
