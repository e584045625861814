import { isUtf8 } from 'node:buffer'
import { decodeBase64 } from '../../../api/decode/base64.ts'
import { formatValue, sprint, sprintf, sprintln } from './go-format.ts'
import {
  isMap,
  isSlice,
  isTrue,
  kindOf,
  numberOf,
  typeOf,
  type GoValue,
} from './go-value.ts'

/** What a function of a template refuses; the words are Go's. */
export class FunctionError extends Error {
  override readonly name = 'FunctionError'
}

type Function = (...args: readonly GoValue[]) => GoValue

/**
 * The functions of text/template (funcs.go) that kubectl's users use, and kubectl's own two.
 * `and` and `or` look at one argument after the other, so the executor has them.
 */
export const functions: Readonly<
  Record<
    string,
    { readonly least: number; readonly most?: number; call: Function }
  >
> = {
  not: { least: 1, most: 1, call: value => !isTrue(value) },
  len: { least: 1, most: 1, call: length },
  index: { least: 1, call: (value, ...keys) => keys.reduce(indexOne, value) },
  slice: { least: 1, most: 4, call: slice },
  print: { least: 0, call: (...values) => sprint(values) },
  println: { least: 0, call: (...values) => sprintln(values) },
  printf: {
    least: 1,
    call: (format, ...values) => {
      if (typeof format !== 'string')
        throw new FunctionError(
          `wrong type for value; expected string; got ${typeOf(format)}`,
        )
      return sprintf(format, values)
    },
  },
  html: { least: 0, call: (...values) => html(textOf(values)) },
  urlquery: { least: 0, call: (...values) => queryEscape(textOf(values)) },
  eq: { least: 1, call: equals },
  ne: { least: 2, most: 2, call: (a, b) => !equals(a, b) },
  lt: { least: 2, most: 2, call: isLess },
  le: { least: 2, most: 2, call: (a, b) => isLess(a, b) || equals(a, b) },
  gt: { least: 2, most: 2, call: (a, b) => !(isLess(a, b) || equals(a, b)) },
  ge: { least: 2, most: 2, call: (a, b) => !isLess(a, b) },
  exists: { least: 1, call: exists },
  base64decode: { least: 1, most: 1, call: base64decode },
}

function textOf(values: readonly GoValue[]): string {
  const [only] = values
  return values.length === 1 && typeof only === 'string' ? only : sprint(values)
}

/** Of a text its bytes. */
function length(value: GoValue): number {
  if (isSlice(value)) return value.length
  if (isMap(value)) return Object.keys(value).length
  if (typeof value === 'string') return Buffer.byteLength(value)
  throw new FunctionError(`len of type ${typeOf(value)}`)
}

function indexOne(value: GoValue, key: GoValue): GoValue {
  if (kindOf(value) === 'nil') throw new FunctionError('index of untyped nil')
  if (isMap(value)) {
    if (typeof key !== 'string')
      throw new FunctionError(`value has type ${typeOf(key)}; should be string`)
    return Object.hasOwn(value, key) ? value[key] : undefined
  }
  if (!isSlice(value) && typeof value !== 'string')
    throw new FunctionError(`can't index item of type ${typeOf(value)}`)
  const list = typeof value === 'string' ? [...Buffer.from(value)] : value
  return list[position(key, list.length - 1, 'index')]
}

function position(key: GoValue, most: number, what: string): number {
  if (kindOf(key) !== 'int')
    throw new FunctionError(`cannot index slice/array with type ${typeOf(key)}`)
  const at = Number(key)
  if (at < 0 || at > most)
    throw new FunctionError(`${what} out of range: ${at}`)
  return at
}

function slice(value: GoValue, ...bounds: readonly GoValue[]): GoValue {
  if (!isSlice(value) && typeof value !== 'string')
    throw new FunctionError(
      kindOf(value) === 'nil'
        ? 'slice of untyped nil'
        : `can't slice item of type ${typeOf(value)}`,
    )
  const bytes = typeof value === 'string' ? Buffer.from(value) : undefined
  const most = bytes?.length ?? value.length
  const [from = 0, to = most] = bounds.map(bound =>
    position(bound, most, 'index'),
  )
  if (from > to) throw new FunctionError(`invalid slice index: ${from} > ${to}`)
  return bytes === undefined
    ? value.slice(from, to)
    : bytes.subarray(from, to).toString()
}

function html(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '\0': '\uFFFD',
    '"': '&#34;',
    "'": '&#39;',
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
  }
  return text.replaceAll(/[\0"'&<>]/g, character => entities[character] ?? '')
}

/** url.QueryEscape of Go. */
function queryEscape(text: string): string {
  return encodeURIComponent(text)
    .replaceAll(
      /[!'()*]/g,
      character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
    )
    .replaceAll('%20', '+')
}

const comparable = new Set(['bool', 'int', 'float', 'string'])

function equals(first: GoValue, ...others: readonly GoValue[]): boolean {
  if (others.length === 0)
    throw new FunctionError('missing argument for comparison')
  return others.some(other => {
    const kinds = [kindOf(first), kindOf(other)] as const
    const [kind] = kinds
    if (kinds.includes('nil')) return kinds[0] === kinds[1]
    if (comparable.has(kind) && kind === kinds[1])
      return kind === 'int' || kind === 'float'
        ? numberOf(first) === numberOf(other)
        : first === other
    for (const value of [first, other])
      if (!comparable.has(kindOf(value)))
        throw new FunctionError(
          `non-comparable type ${formatValue(value)}: ${typeOf(value)}`,
        )
    throw new FunctionError('incompatible types for comparison')
  })
}

function isLess(a: GoValue, b: GoValue): boolean {
  const kinds = [kindOf(a), kindOf(b)] as const
  if (kinds.some(kind => !comparable.has(kind)))
    throw new FunctionError('invalid type for comparison')
  if (kinds[0] !== kinds[1])
    throw new FunctionError('incompatible types for comparison')
  if (typeof a === 'string' && typeof b === 'string')
    return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0
  if (kinds[0] === 'bool')
    throw new FunctionError('invalid type for comparison')
  return numberOf(a) < numberOf(b)
}

/** kubectl's: whether there is something at these indices. */
function exists(value: GoValue, ...keys: readonly GoValue[]): boolean {
  let current = value
  for (const key of keys) {
    if (isSlice(current)) {
      if (kindOf(key) !== 'int') return false
      current = current[Number(key)]
    } else if (isMap(current) && typeof key === 'string') {
      current = Object.hasOwn(current, key) ? current[key] : undefined
    } else return false
    if (current === undefined) return false
  }
  return true
}

/** kubectl's. What it prints is text here, so bytes that are none are refused. */
function base64decode(value: GoValue): string {
  const result = decodeBase64(
    typeof value === 'string' ? value : formatValue(value),
  )
  if ('illegalAt' in result)
    throw new FunctionError(
      `base64 decode failed: illegal base64 data at input byte ${result.illegalAt}`,
    )
  if (!isUtf8(result.bytes))
    throw new FunctionError(
      'the bytes are not UTF-8: -o jsonpath=... | base64 -d prints them',
    )
  return Buffer.from(result.bytes).toString()
}
