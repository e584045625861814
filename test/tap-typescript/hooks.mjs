import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

// Nearly all files of src/ are loaded by many test files: each is compiled once.
const cache = fileURLToPath(
  new URL('../../node_modules/.cache/podfs-tests/', import.meta.url),
)

/** TypeScript's types away, positions kept; everything else as Node loads it. */
export async function load(url, context, nextLoad) {
  if (!url.endsWith('.ts')) return nextLoad(url, context)
  const path = fileURLToPath(url)
  const text = await readFile(path, 'utf8')
  const key = createHash('sha256').update(path).update('\0').update(text)
  const compiled = cache + key.digest('hex') + '.mjs'
  const source = await readFile(compiled, 'utf8').catch(() =>
    compile(path, text, compiled),
  )
  return { format: 'module', source, shortCircuit: true }
}

async function compile(path, text, compiled) {
  const { transform } = await import('esbuild')
  const { code } = await transform(text, {
    loader: 'ts',
    format: 'esm',
    target: 'node20.19',
    sourcefile: path,
    sourcemap: 'inline',
    sourcesContent: false,
    // as tsconfig.json has it
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
  })
  // Other test processes may write, or be reading, the same one.
  await mkdir(cache, { recursive: true })
  const unfinished = `${compiled}.${process.pid}`
  await writeFile(unfinished, code)
  await rename(unfinished, compiled)
  return code
}
