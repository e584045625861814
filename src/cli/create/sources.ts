import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { Failure } from '../../util/failure.ts'
import {
  maxFileBytes,
  readBounded,
  tooLargeWords,
} from '../../util/read-bounded.ts'
import { addEnvFile } from './env-file.ts'
import { fileError } from './file-error.ts'
import type { NewObject } from './new-object.ts'

/** --from-literal: `key=value`. */
export function addLiterals(
  object: NewObject,
  sources: readonly string[],
): void {
  sources.forEach((source, i) => {
    const equals = source.indexOf('=')
    if (equals < 1)
      throw new Failure(
        'usage',
        `invalid literal source ${object.showLiteral(source, i + 1)}, expected key=value`,
      )
    object.add(
      source.slice(0, equals),
      Buffer.from(source.slice(equals + 1), 'utf8'),
    )
  })
}

/** --from-file: `FILE`, `KEY=FILE`, or a directory, whose regular files are taken. */
export async function addFiles(
  object: NewObject,
  sources: readonly string[],
  cwd: string,
): Promise<void> {
  for (const source of sources) {
    const [key, file] = keyAndFile(source)
    const absolute = path.resolve(cwd, file)
    if (!(await stats(absolute, file)).isDirectory()) {
      object.add(key, await contents(absolute, file))
      continue
    }
    if (source.includes('='))
      throw new Failure('usage', 'cannot give a key name for a directory path')
    for (const name of await regularFiles(absolute, file))
      object.add(
        name,
        await contents(path.join(absolute, name), path.join(file, name)),
      )
  }
}

/** --from-env-file: lines of `key=value`. */
export async function addEnvFiles(
  object: NewObject,
  files: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<void> {
  for (const file of files) {
    const absolute = path.resolve(cwd, file)
    if ((await stats(absolute, file)).isDirectory())
      throw new Failure(
        'usage',
        `env ${object.kind === 'Secret' ? 'secret' : 'config'} file cannot be a directory`,
      )
    addEnvFile(object, await contents(absolute, file), file, env)
  }
}

/** ParseFileSource (pkg/util/util.go). */
function keyAndFile(source: string): [key: string, file: string] {
  const [first = '', second, ...more] = source.split('=')
  if (second === undefined) return [goBase(source), source]
  if (more.length > 0)
    throw new Failure('usage', "key names or file paths cannot contain '='")
  if (first === '')
    throw new Failure('usage', `key name for file path ${second} missing`)
  if (second === '')
    throw new Failure('usage', `file path for key name ${first} missing`)
  return [first, second]
}

/** Go's path.Base, which is never empty. */
function goBase(file: string): string {
  return path.posix.basename(file) || (file === '' ? '.' : '/')
}

async function stats(
  absolute: string,
  shown: string,
): Promise<Awaited<ReturnType<typeof stat>>> {
  try {
    // An empty path is no file, and not the working directory either.
    return await stat(shown === '' ? '' : absolute)
  } catch (error) {
    throw new Failure('usage', `error reading ${shown}: ${fileError(error)}`, {
      cause: error,
    })
  }
}

/** In the order of Go's os.ReadDir, so that of several mistakes the same one is told. */
async function regularFiles(
  absolute: string,
  shown: string,
): Promise<string[]> {
  try {
    const entries = await readdir(absolute, { withFileTypes: true })
    return entries
      .filter(entry => entry.isFile())
      .map(({ name }) => name)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  } catch (error) {
    throw new Failure(
      'usage',
      `error listing files in ${shown}: open ${shown}: ${fileError(error)}`,
      { cause: error },
    )
  }
}

/** Throws a Failure in Go's words: `open FILE: permission denied`. */
export async function contents(
  absolute: string,
  shown: string,
): Promise<Uint8Array> {
  let content
  try {
    content = await readBounded(absolute, maxFileBytes)
  } catch (error) {
    const { syscall = 'open' } = error as NodeJS.ErrnoException
    throw new Failure('usage', `${syscall} ${shown}: ${fileError(error)}`, {
      cause: error,
    })
  }
  if (Buffer.isBuffer(content)) return content
  const words = tooLargeWords(content, maxFileBytes)
  throw new Failure('usage', `${shown}: ${words}`)
}
