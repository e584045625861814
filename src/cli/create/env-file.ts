import { isUtf8 } from 'node:buffer'
import { goQuote } from '../../api/go-quote.ts'
import { validConfigKey, validEnvFileKey } from '../../api/validation/names.ts'
import { Failure } from '../../util/failure.ts'
import type { NewObject } from './new-object.ts'

/** What Go's unicode.IsSpace takes for white space; `\s` has U+FEFF and lacks U+0085. */
const leadingSpace =
  /^[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/

/**
 * Adds the lines of an env file as kubectl does (pkg/cmd/util/env_file.go): `KEY=value` to the
 * end of the line, quotes and blanks included; `KEY` alone takes the value of the environment;
 * lines that are empty or begin with `#` are left out. `export` is not understood.
 */
export function addEnvFile(
  object: NewObject,
  bytes: Uint8Array,
  file: string,
  env: NodeJS.ProcessEnv,
): void {
  linesOf(Buffer.from(bytes)).forEach((lineBytes, i) => {
    if (!isUtf8(lineBytes))
      throw new Failure(
        'usage',
        `env file ${file} contains invalid utf8 bytes at line ${i + 1}`,
      )
    const text = lineBytes.toString('utf8')
    const line = (i === 0 ? text.replace(/^\ufeff/, '') : text).replace(
      leadingSpace,
      '',
    )
    if (line === '' || line.startsWith('#')) return
    const equals = line.indexOf('=')
    const key = equals === -1 ? line : line.slice(0, equals)
    const value = equals === -1 ? (env[key] ?? '') : line.slice(equals + 1)
    checkKey(object, key, `${file}:${i + 1}`)
    object.add(key, Buffer.from(value, 'utf8'))
  })
}

/**
 * The place instead of the key for a Secret: what stands where a key should be is likely the
 * second line of a value.
 */
function checkKey(object: NewObject, key: string, place: string): void {
  const notAName = validEnvFileKey(key)
  const notAKey = validConfigKey(key)
  if (object.kind === 'Secret') {
    const [problem] = [...notAName, ...notAKey]
    if (problem === undefined) return
    throw new Failure(
      'usage',
      `${place}: this is not a valid key name: ${problem}`,
    )
  }
  if (notAName.length > 0)
    throw new Failure(
      'usage',
      `${goQuote(key)} is not a valid key name: ${notAName.join(';')}`,
    )
}

/** bufio.ScanLines: without the newline, and one `\r` before it. */
function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  for (let from = 0; from < bytes.length;) {
    const newline = bytes.indexOf('\n', from)
    const end = newline === -1 ? bytes.length : newline
    const hasReturn = end > from && bytes[end - 1] === 0x0d
    lines.push(bytes.subarray(from, hasReturn ? end - 1 : end))
    from = end + 1
  }
  return lines
}
