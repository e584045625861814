import { isUtf8 } from 'node:buffer'
import { readFileSync, readlinkSync } from 'node:fs'
import { Failure } from '../util/failure.ts'

/** What the program was started with. */
export interface Given {
  readonly argv: readonly string[]
  readonly cwd: string
}

/** What Node puts where bytes are not UTF-8: it is another name from then on. */
const replacement = '\ufffd'

/**
 * The arguments and the working directory. Throws a usage Failure for what Node cannot give as it
 * is: a path of bytes that are not UTF-8 would be another path, and a working directory may have
 * been removed.
 */
export function whatIsGiven(): Given {
  const argv = process.argv.slice(2)
  if (argv.some(hasReplacement))
    for (const word of lastWords('/proc/self/cmdline', argv.length))
      refuseForeign('an argument', word)
  const isOurs = (name: string): boolean =>
    name.startsWith('PODFS_') && hasReplacement(process.env[name] ?? '')
  if (Object.keys(process.env).some(isOurs))
    for (const word of lastWords('/proc/self/environ', Infinity))
      if (word.toString('latin1').startsWith('PODFS_'))
        refuseForeign('a variable', word)
  const cwd = workingDirectory()
  if (hasReplacement(cwd))
    refuseForeign(
      'the working directory',
      readlinkSync('/proc/self/cwd', { encoding: 'buffer' }),
    )
  return { argv, cwd }
}

function workingDirectory(): string {
  try {
    return process.cwd()
  } catch (error) {
    throw new Failure('usage', 'the working directory has been removed', {
      cause: error,
      fix: 'cd to one that is there',
    })
  }
}

function hasReplacement(text: string): boolean {
  return text.includes(replacement)
}

/** Of a file of words, each ended by a NUL: proc(5). */
function lastWords(file: string, count: number): Buffer[] {
  const words = readFileSync(file, 'latin1').split('\0').slice(0, -1)
  return words.slice(-count).map(word => Buffer.from(word, 'latin1'))
}

function refuseForeign(what: string, bytes: Buffer): void {
  if (isUtf8(bytes)) return
  const shown = bytes
    .toString('latin1')
    .replace(
      /[\u0080-\u00ff]/g,
      byte => `\\x${byte.charCodeAt(0).toString(16)}`,
    )
  throw new Failure('usage', `${what} is not UTF-8: ${shown}`)
}
