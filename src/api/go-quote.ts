/**
 * Go's strconv.Quote, which decides how a label or annotation value looks in a downward API
 * file. JSON.stringify is not the same: `\x01` against `\u0001`, `\a` and `\v`, U+00A0, U+2028.
 */

/**
 * Go's strconv.IsPrint: letters, marks, numbers, punctuation, symbols and the ASCII space.
 * Every other space is escaped. The Unicode tables are this Node's own, so a character
 * newer than one of the two tables may be printed by one and escaped by the other.
 */
const printable = /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u

const namedEscapes: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\x07', '\\a'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\v', '\\v'],
])

/**
 * `value` as a double-quoted Go string literal.
 *
 * A lone surrogate becomes U+FFFD, which is what an API server's JSON decoder stores for it;
 * Go's `\xNN` for invalid UTF-8 cannot come up, since a JavaScript string holds no bytes.
 */
export function goQuote(value: string): string {
  let quoted = '"'
  // Iterating a string yields whole code points, and lone surrogates one by one.
  for (const character of value) {
    quoted += escapeCharacter(character)
  }
  return quoted + '"'
}

function escapeCharacter(character: string): string {
  const named = namedEscapes.get(character)
  if (named !== undefined) return named
  const code = character.codePointAt(0) ?? 0
  if (code >= 0xd800 && code <= 0xdfff) return '\ufffd'
  if (printable.test(character)) return character
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`
  if (code < 0x10000) return `\\u${hex(code, 4)}`
  return `\\U${hex(code, 8)}`
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}
