/*
 * stryker.config.mjs, in Stryker's copy of the tree: all tests of one directory become one file,
 * with tap in it. Each mutant is a process of its own, and most of its time would go into loading
 * tap and TypeScript's hooks (1.2 s of CPU for the eleven tests of the store, 0.16 s as one file).
 */
import { build } from 'esbuild'
import { readdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'

/** By directory: the bundle lies beside its tests, whose fixtures it reads. */
const bundles = new Map()
for (const path of process.argv.slice(2)) {
  const isFile = path.endsWith('.ts')
  const directory = isFile ? dirname(path) : path
  const files = isFile ? [basename(path)] : readdirSync(path)
  bundles.set(directory, [
    ...(bundles.get(directory) ?? []),
    ...files.filter(name => name.endsWith('.test.ts')),
  ])
}

for (const [directory, files] of bundles)
  await build({
    stdin: {
      contents: files.map(name => `import './${name}'`).join('\n'),
      resolveDir: directory,
    },
    outfile: `${directory}/for-mutants.mjs`,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'warning',
    // tap has CommonJS packages below it.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url)",
    },
  })
