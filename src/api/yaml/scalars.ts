import {
  chars,
  isBlank,
  isBreak,
  isBreakOrEnd,
  isDigit,
  isSpaceOrEnd,
  type Cursor,
} from './cursor.ts'
import { checkScalarLength } from './limits.ts'
import { YamlSyntaxError } from './yaml-node.ts'

/*
 * The four kinds of scalars, as go-yaml v2 reads them (scannerc.go, from
 * yaml_parser_scan_block_scalar on). Each begins where the cursor stands and leaves it behind.
 */

/** What kubectl cannot parse, and podfs reads all the same. */
export type Tolerate = (offset: number, problem: string) => void

/** The tab of a manifest that was indented with tabs; every such message has the same words. */
export function tabError(offset: number): YamlSyntaxError {
  return new YamlSyntaxError(
    offset,
    'tabs are not allowed as indentation',
    'indent with spaces',
  )
}

/** The breaks between two lines of a folded text: one is a blank, more are one less. */
class Fold {
  first = ''
  further = ''

  add(text: string): void {
    if (this.first === '') this.first = text
    else this.further += text
  }

  take(): string {
    const { first, further } = this
    this.first = ''
    this.further = ''
    if (first !== '\n') return first + further
    return further === '' ? ' ' : further
  }
}

export interface PlainScalar {
  readonly text: string
  readonly end: number
  /** It ended with a line, so that a key may follow. */
  readonly endedLine: boolean
}

/** `indent` is the least column of its further lines; in brackets there is none. */
export function scanPlainScalar(
  cursor: Cursor,
  indent: number,
  inFlow: boolean,
): PlainScalar {
  const fold = new Fold()
  let text = ''
  const first = cursor.position
  let end = first
  let endedLine = false
  for (;;) {
    checkScalarLength(first, cursor.position)
    if (
      cursor.isDocumentIndicator(chars.dash) ||
      cursor.isDocumentIndicator(chars.dot) ||
      cursor.code() === chars.hash
    )
      break
    const start = cursor.position
    skipPlain(cursor, inFlow)
    if (cursor.position > start) {
      text +=
        (endedLine ? fold.take() : cursor.text.slice(end, start)) +
        cursor.text.slice(start, cursor.position)
      endedLine = false
      end = cursor.position
    }
    let code = cursor.code()
    if (!isBlank(code) && !isBreak(code)) break
    for (; isBlank(code) || isBreak(code); code = cursor.code()) {
      if (isBreak(code)) {
        checkScalarLength(first, cursor.position)
        fold.add(cursor.break())
        endedLine = true
      } else {
        if (endedLine && code === chars.tab && cursor.column < indent)
          throw tabError(cursor.position)
        cursor.position += 1
      }
    }
    if (!inFlow && cursor.column < indent) break
  }
  return { text, end, endedLine }
}

function skipPlain(cursor: Cursor, inFlow: boolean): void {
  for (;;) {
    const code = cursor.code()
    if (isSpaceOrEnd(code)) return
    if (code === chars.colon && isSpaceOrEnd(cursor.code(1))) return
    if (
      inFlow &&
      (code === chars.comma ||
        code === chars.question ||
        code === chars.openBracket ||
        code === chars.closeBracket ||
        code === chars.openBrace ||
        code === chars.closeBrace)
    )
      return
    cursor.position += 1
  }
}

/** In single or double quotes. Its further lines may begin at any column. */
export function scanQuotedScalar(cursor: Cursor, tolerate: Tolerate): string {
  const start = cursor.position
  const quote = cursor.code()
  const isSingle = quote === chars.singleQuote
  const fold = new Fold()
  const parts: string[] = []
  cursor.position += 1
  for (;;) {
    checkScalarLength(start, cursor.position)
    if (
      cursor.code() === 0 ||
      cursor.isDocumentIndicator(chars.dash) ||
      cursor.isDocumentIndicator(chars.dot)
    )
      throw new YamlSyntaxError(
        start,
        `a quotation mark (${String.fromCharCode(quote)}) is not closed`,
      )
    let endedLine = false
    while (!isSpaceOrEnd(cursor.code())) {
      const from = cursor.position
      skipQuoted(cursor, quote)
      checkScalarLength(start, cursor.position)
      if (cursor.position > from)
        parts.push(cursor.text.slice(from, cursor.position))
      const code = cursor.code()
      if (code === quote) {
        if (!isSingle || cursor.code(1) !== quote) break
        parts.push("'")
        cursor.position += 2
      } else if (code === chars.backslash) {
        if (isBreak(cursor.code(1))) {
          cursor.position += 1
          cursor.break()
          endedLine = true
          break
        }
        parts.push(scanEscape(cursor, tolerate))
      }
    }
    if (cursor.code() === quote) break
    const blanks = cursor.position
    let afterBlanks = blanks
    for (
      let code = cursor.code();
      isBlank(code) || isBreak(code);
      code = cursor.code()
    ) {
      if (isBreak(code)) {
        checkScalarLength(start, cursor.position)
        // After a backslash at the end of a line, each further break counts.
        if (endedLine) fold.further += cursor.break()
        else fold.first = cursor.break()
        endedLine = true
      } else {
        cursor.position += 1
        if (!endedLine) afterBlanks = cursor.position
      }
    }
    parts.push(endedLine ? fold.take() : cursor.text.slice(blanks, afterBlanks))
  }
  cursor.position += 1
  return parts.join('')
}

function skipQuoted(cursor: Cursor, quote: number): void {
  for (;;) {
    const code = cursor.code()
    if (code === quote || isSpaceOrEnd(code)) return
    if (code === chars.backslash && quote === chars.doubleQuote) return
    cursor.position += 1
  }
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['0', '\0'],
  ['a', '\x07'],
  ['b', '\b'],
  ['t', '\t'],
  ['\t', '\t'],
  ['n', '\n'],
  ['v', '\v'],
  ['f', '\f'],
  ['r', '\r'],
  ['e', '\x1b'],
  [' ', ' '],
  ['"', '"'],
  ["'", "'"],
  ['\\', '\\'],
  ['N', '\x85'],
  ['_', '\xa0'],
  ['L', '\u2028'],
  ['P', '\u2029'],
])

/** How many digits follow. */
const codeEscapes: ReadonlyMap<string, number> = new Map([
  ['x', 2],
  ['u', 4],
  ['U', 8],
])

function scanEscape(cursor: Cursor, tolerate: Tolerate): string {
  const { text, position } = cursor
  const letter = text.charAt(position + 1)
  cursor.position += 2
  if (letter === '/') {
    tolerate(position, 'found unknown escape character')
    return '/'
  }
  const simple = escapes.get(letter)
  if (simple !== undefined) return simple
  const length = codeEscapes.get(letter)
  if (length === undefined)
    throw new YamlSyntaxError(position, 'found unknown escape character')
  const digits = text.slice(cursor.position, cursor.position + length)
  if (digits.length < length || !/^[0-9a-f]+$/i.test(digits))
    throw new YamlSyntaxError(
      position,
      'did not find expected hexdecimal number',
    )
  const code = Number.parseInt(digits, 16)
  if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
    throw new YamlSyntaxError(
      position,
      'found invalid Unicode character escape code',
    )
  cursor.position += length
  return String.fromCodePoint(code)
}

/** `|` or `>`. `parentIndent` is the column of what it is a value of; -1 for a document. */
export function scanBlockScalar(
  cursor: Cursor,
  parentIndent: number,
  tolerate: Tolerate,
): string {
  const start = cursor.position
  const isLiteral = cursor.code() === chars.pipe
  cursor.position += 1
  const { chomping, increment } = scanBlockHeader(cursor, start)
  const breaks: string[] = []
  let indent = increment > 0 ? Math.max(parentIndent, 0) + increment : 0
  indent = scanIndentation(cursor, indent, parentIndent, breaks, tolerate)
  const parts: string[] = []
  let lineBreak = ''
  let wasBlank = false
  while (cursor.column === indent && cursor.code() !== 0) {
    const blank = isBlank(cursor.code())
    if (!isLiteral && !wasBlank && !blank && lineBreak === '\n') {
      if (breaks.length === 0) parts.push(' ')
    } else {
      parts.push(lineBreak)
    }
    for (const each of breaks) parts.push(each)
    breaks.length = 0
    wasBlank = blank
    checkScalarLength(start, cursor.position)
    const from = cursor.position
    cursor.skipLine()
    parts.push(cursor.text.slice(from, cursor.position))
    lineBreak = cursor.break()
    scanIndentation(cursor, indent, parentIndent, breaks, tolerate)
  }
  if (chomping !== '-') parts.push(lineBreak)
  if (chomping === '+') for (const each of breaks) parts.push(each)
  return parts.join('')
}

function scanBlockHeader(
  cursor: Cursor,
  start: number,
): { readonly chomping: string; readonly increment: number } {
  let chomping = ''
  let increment = 0
  for (;;) {
    const code = cursor.code()
    if (chomping === '' && (code === chars.plus || code === chars.dash)) {
      chomping = String.fromCharCode(code)
    } else if (increment === 0 && isDigit(code)) {
      if (code === chars.zero)
        throw new YamlSyntaxError(
          start,
          'found an indentation indicator equal to 0',
        )
      increment = code - chars.zero
    } else {
      break
    }
    cursor.position += 1
  }
  cursor.skipBlanks()
  cursor.skipComment()
  if (!isBreakOrEnd(cursor.code()))
    throw new YamlSyntaxError(
      start,
      'did not find expected comment or line break',
    )
  cursor.break()
  return { chomping, increment }
}

/**
 * Goes over the indentation of a line of a block scalar, and empty lines before it, whose
 * breaks it adds. An indent of 0 is not known yet: it is that of the first line with something
 * in it. Returns the indent.
 */
function scanIndentation(
  cursor: Cursor,
  indent: number,
  parentIndent: number,
  breaks: string[],
  tolerate: Tolerate,
): number {
  const start = cursor.position
  const least = Math.max(parentIndent + 1, 1)
  let deepest = 0
  for (;;) {
    const most = indent === 0 ? Infinity : indent
    while (cursor.column < most && cursor.code() === chars.space)
      cursor.position += 1
    deepest = Math.max(deepest, cursor.column)
    const code = cursor.code()
    if (code === chars.tab && (indent === 0 || cursor.column < indent)) {
      if (indent !== 0 || cursor.column < least) throw tabError(cursor.position)
      tolerate(
        cursor.position,
        'found a tab character where an indentation space is expected',
      )
      return cursor.column
    }
    if (!isBreak(code)) break
    checkScalarLength(start, cursor.position)
    breaks.push(cursor.break())
  }
  return indent === 0 ? Math.max(deepest, least) : indent
}
