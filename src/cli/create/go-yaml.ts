/**
 * YAML as kubectl prints it: the encoder and emitter of go-yaml v2.4.2 (encode.go, sorter.go,
 * emitterc.go), which sigs.k8s.io/yaml uses, for what occurs in a manifest of strings:
 * mappings and strings. The `yaml` package folds, quotes and sorts by other rules, so its
 * stringifier cannot give the same bytes.
 */
import { resolvePlainScalar } from '../../api/go-yaml-scalar.ts'
import { inGoOrder } from './go-key-order.ts'

export type StringTree = ReadonlyMap<string, string | StringTree>

const indentWidth = 2
/** A line is folded at the first space after this column. */
const bestWidth = 80
/** In bytes; a longer key takes the `? ` form. */
const maxSimpleKeyBytes = 128

/** The document, with a newline at its end. Empty mappings are not asked for. */
export function goYaml(tree: StringTree): string {
  const emitter = new Emitter()
  emitter.mapping(tree, 0)
  return emitter.document()
}

type Style = 'plain' | 'single' | 'double' | 'literal'

class Emitter {
  readonly #out: string[] = []
  #column = 0
  #indent = 0
  /** The last character was white space. */
  #whitespace = true
  /** Only white space has been written to this line. */
  #indention = true

  document(): string {
    this.#indent = 0
    this.#writeIndent()
    return this.#out.join('')
  }

  mapping(tree: StringTree, indent: number): void {
    for (const key of inGoOrder(tree.keys())) {
      const value = tree.get(key) ?? ''
      this.#indent = indent
      this.#writeIndent()
      const simple = Buffer.byteLength(key) <= maxSimpleKeyBytes
      if (!simple) this.#indicator('?', true)
      this.#scalar(key, simple, indent)
      this.#indent = indent
      if (!simple) this.#writeIndent()
      this.#indicator(':', !simple)
      if (typeof value === 'string') this.#scalar(value, false, indent)
      else this.mapping(value, indent + indentWidth)
    }
  }

  #scalar(value: string, simpleKey: boolean, indent: number): void {
    const characters = Array.from(value)
    this.#indent = indent + indentWidth
    switch (styleOf(value, characters, simpleKey)) {
      case 'plain':
        if (!this.#whitespace) this.#put(' ')
        this.#flowText(characters, !simpleKey, character => character)
        break
      case 'single':
        this.#indicator("'", true)
        this.#flowText(characters, !simpleKey, character =>
          character === "'" ? "''" : character,
        )
        this.#indicator("'", false)
        break
      case 'double':
        this.#indicator('"', true)
        this.#doubleQuoted(characters, !simpleKey)
        this.#indicator('"', false)
        break
      case 'literal':
        this.#literal(characters)
        return
    }
    this.#whitespace = false
    this.#indention = false
  }

  /** yaml_emitter_write_plain_scalar and _single_quoted_scalar; no newline occurs in either. */
  #flowText(
    characters: readonly string[],
    mayFold: boolean,
    quote: (character: string) => string,
  ): void {
    let spaces = false
    let breaks = false
    characters.forEach((character, i) => {
      if (character === ' ') {
        const fold =
          mayFold &&
          !spaces &&
          this.#column > bestWidth &&
          i > 0 &&
          i < characters.length - 1 &&
          characters[i + 1] !== ' '
        if (fold) this.#writeIndent()
        else this.#put(character)
        spaces = true
      } else if (isBreak(character)) {
        this.#break(character)
        breaks = true
      } else {
        if (breaks) this.#writeIndent()
        for (const each of quote(character)) this.#put(each)
        this.#indention = false
        spaces = false
        breaks = false
      }
    })
  }

  #doubleQuoted(characters: readonly string[], mayFold: boolean): void {
    // is_bom looks at the start of the text, whatever the position: a text that begins with
    // a byte order mark is escaped as a whole.
    const escapeAll = characters[0] === '\ufeff'
    let spaces = false
    characters.forEach((character, i) => {
      if (escapeAll || mustEscape(character)) {
        for (const each of escape(character)) this.#put(each)
        spaces = false
      } else if (character === ' ') {
        const fold =
          mayFold &&
          !spaces &&
          this.#column > bestWidth &&
          i > 0 &&
          i < characters.length - 1
        if (fold) {
          this.#writeIndent()
          if (characters[i + 1] === ' ') this.#put('\\')
        } else this.#put(character)
        spaces = true
      } else {
        this.#put(character)
        spaces = false
      }
    })
  }

  #literal(characters: readonly string[]): void {
    this.#indicator('|', true)
    const [first = ''] = characters
    if (first === ' ' || isBreak(first))
      this.#indicator(String(indentWidth), false)
    if (!isBreak(characters.at(-1) ?? '')) this.#indicator('-', false)
    else if (isBreak(characters.at(-2) ?? '\n')) this.#indicator('+', false)
    this.#break('\n')
    this.#whitespace = true
    let breaks = true
    for (const character of characters) {
      if (isBreak(character)) {
        this.#break(character)
        breaks = true
      } else {
        if (breaks) this.#writeIndent()
        this.#put(character)
        this.#indention = false
        breaks = false
      }
    }
  }

  #put(character: string): void {
    this.#out.push(character)
    this.#column++
  }

  #break(character: string): void {
    this.#out.push(character)
    this.#column = 0
    this.#indention = true
  }

  #indicator(text: string, needsWhitespace: boolean): void {
    if (needsWhitespace && !this.#whitespace) this.#put(' ')
    this.#put(text)
    this.#whitespace = false
    this.#indention &&= text === '?' || text === ':'
  }

  #writeIndent(): void {
    if (
      !this.#indention ||
      this.#column > this.#indent ||
      (this.#column === this.#indent && !this.#whitespace)
    )
      this.#break('\n')
    while (this.#column < this.#indent) this.#put(' ')
    this.#whitespace = true
    this.#indention = true
  }
}

/** stringv, then yaml_emitter_analyze_scalar and yaml_emitter_select_scalar_style. */
function styleOf(
  value: string,
  characters: readonly string[],
  simpleKey: boolean,
): Style {
  if (value === '') return 'double'
  const allowed = analyze(value, characters)
  if (value.includes('\n'))
    return allowed.literal && !simpleKey ? 'literal' : 'double'
  if (!isString(value) || (simpleKey && allowed.multiline)) return 'double'
  if (allowed.plain) return 'plain'
  return allowed.single ? 'single' : 'double'
}

interface Allowed {
  readonly plain: boolean
  readonly single: boolean
  readonly literal: boolean
  readonly multiline: boolean
}

function analyze(value: string, characters: readonly string[]): Allowed {
  const last = characters.at(-1) ?? ''
  const edge = (character: string): boolean =>
    character === ' ' || isBreak(character)
  let multiline = false
  let special = false
  let breakThenSpace = false
  let spaceThenBreak = false
  characters.forEach((character, i) => {
    const before = characters[i - 1] ?? ''
    if (!isPrintable(character)) special = true
    if (character === ' ') breakThenSpace ||= isBreak(before)
    else if (isBreak(character)) {
      multiline = true
      spaceThenBreak ||= before === ' '
    }
  })
  const quoted = spaceThenBreak || special
  return {
    plain:
      !quoted &&
      !breakThenSpace &&
      !multiline &&
      !edge(characters[0] ?? '') &&
      !edge(last) &&
      !hasIndicator(value, characters),
    single: !quoted && !breakThenSpace,
    literal: !quoted && last !== ' ',
    multiline,
  }
}

/** What would make a plain scalar in a block something else. */
function hasIndicator(value: string, characters: readonly string[]): boolean {
  if (/^(---|\.\.\.)/.test(value)) return true
  if (/^[#,[\]{}&*!|>'"%@`]/.test(value)) return true
  const blankAt = (i: number): boolean =>
    i >= characters.length || characters[i] === ' ' || characters[i] === '\t'
  return characters.some((character, i) => {
    if (character === ':') return blankAt(i + 1)
    if (character === '#') return blankzBefore(characters[i - 1] ?? '')
    return i === 0 && /[-?]/.test(character) && blankAt(1)
  })
}

function blankzBefore(character: string): boolean {
  return /[ \t\0]/.test(character) || isBreak(character)
}

function isBreak(character: string): boolean {
  return /[\r\n\u0085\u2028\u2029]/.test(character)
}

function isPrintable(character: string): boolean {
  return /^[\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]$/.test(character)
}

function mustEscape(character: string): boolean {
  return (
    !isPrintable(character) ||
    isBreak(character) ||
    character === '"' ||
    character === '\\'
  )
}

const namedEscapes: ReadonlyMap<string, string> = new Map([
  ['\0', '0'],
  ['\x07', 'a'],
  ['\b', 'b'],
  ['\t', 't'],
  ['\n', 'n'],
  ['\v', 'v'],
  ['\f', 'f'],
  ['\r', 'r'],
  ['\x1b', 'e'],
  ['"', '"'],
  ['\\', '\\'],
  ['\x85', 'N'],
  ['\xa0', '_'],
  ['\u2028', 'L'],
  ['\u2029', 'P'],
])

function escape(character: string): string {
  const named = namedEscapes.get(character)
  if (named !== undefined) return `\\${named}`
  const code = character.codePointAt(0) ?? 0
  const hex = code.toString(16).toUpperCase()
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`
  if (code <= 0xffff) return `\\u${hex.padStart(4, '0')}`
  return `\\U${hex.padStart(8, '0')}`
}

/**
 * Whether the text, unquoted, is read as a string. Dates and base 60 numbers are strings for
 * Kubernetes, but go-yaml quotes them for other readers.
 */
function isString(value: string): boolean {
  return (
    typeof resolvePlainScalar(value) === 'string' &&
    !isTimestamp(value) &&
    !/^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$/.test(value)
  )
}

/** The four layouts of parseTimestamp: `T` and a zone, a blank and none, the date alone. */
const timestamp =
  /^(?<year>\d{4})-(?<month>\d{1,2})-(?<day>\d{1,2})(?:(?:[Tt]| +)(?<hour>\d{1,2}):(?<minute>\d{1,2}):(?<second>\d{1,2})(?:[.,]\d+)?(?<zone>Z|[-+](?<zoneHour>\d\d):(?<zoneMinute>\d\d))?)?$/

/** Whether Go's time.Parse, which checks the ranges too, takes it for a time. */
function isTimestamp(value: string): boolean {
  const parts = timestamp.exec(value)?.groups
  if (parts === undefined) return false
  const number = (name: string): number => Number(parts[name] ?? 0)
  return (
    /[Tt]/.test(value) === (parts['zone'] !== undefined) &&
    number('month') >= 1 &&
    number('month') <= 12 &&
    number('day') >= 1 &&
    number('day') <= daysIn(number('year'), number('month')) &&
    number('hour') < 24 &&
    number('minute') < 60 &&
    number('second') < 60 &&
    number('zoneHour') <= 24 &&
    number('zoneMinute') <= 60
  )
}

function daysIn(year: number, month: number): number {
  if (month === 2)
    return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return [4, 6, 9, 11].includes(month) ? 30 : 31
}
