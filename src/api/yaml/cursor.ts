/** Character codes that have a meaning in YAML. */
export const chars = {
  tab: 0x09,
  lf: 0x0a,
  cr: 0x0d,
  space: 0x20,
  exclamation: 0x21,
  doubleQuote: 0x22,
  hash: 0x23,
  percent: 0x25,
  ampersand: 0x26,
  singleQuote: 0x27,
  asterisk: 0x2a,
  plus: 0x2b,
  comma: 0x2c,
  dash: 0x2d,
  dot: 0x2e,
  zero: 0x30,
  nine: 0x39,
  colon: 0x3a,
  less: 0x3c,
  greater: 0x3e,
  question: 0x3f,
  at: 0x40,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  backtick: 0x60,
  openBrace: 0x7b,
  pipe: 0x7c,
  closeBrace: 0x7d,
  nextLine: 0x85,
  lineSeparator: 0x2028,
  paragraphSeparator: 0x2029,
} as const

export function isBlank(code: number): boolean {
  return code === chars.space || code === chars.tab
}

/** YAML 1.1 has five line breaks; 1.2 has two. */
export function isBreak(code: number): boolean {
  return (
    code === chars.lf ||
    code === chars.cr ||
    code === chars.nextLine ||
    code === chars.lineSeparator ||
    code === chars.paragraphSeparator
  )
}

/** A break, or the end of the text. */
export function isBreakOrEnd(code: number): boolean {
  return isBreak(code) || code === 0
}

/** A blank, a break, or the end of the text. */
export function isSpaceOrEnd(code: number): boolean {
  return code <= chars.space
    ? isBlank(code) || isBreakOrEnd(code)
    : code >= chars.nextLine && isBreak(code)
}

/** A letter, a digit, `_` or `-`: what anchors, handles and directives are made of. */
export function isWord(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    isDigit(code) ||
    code === 0x5f ||
    code === chars.dash
  )
}

export function isDigit(code: number): boolean {
  return code >= chars.zero && code <= chars.nine
}

const emptyLines = /\n[\n ]*/y
const restOfLine = /[^\n\r\x85\u2028\u2029]*/y

/** A place in a part of a text, and the line it is in. Positions are those of the text. */
export class Cursor {
  readonly text: string
  position: number
  /** Another number on each line; empty ones are not counted. */
  line = 0
  readonly #end: number
  #lineStart: number

  constructor(text: string, start: number, end: number) {
    this.text = text
    this.position = start
    this.#lineStart = start
    this.#end = end
  }

  get column(): number {
    return this.position - this.#lineStart
  }

  /** The code of a character; 0 at the end, and nowhere else: the text has no NUL. */
  code(ahead = 0): number {
    const position = this.position + ahead
    return position < this.#end ? this.text.charCodeAt(position) : 0
  }

  /** Goes over a line break, and returns what it means: LF, or one of YAML's own two. */
  break(): string {
    const code = this.code()
    this.position += code === chars.cr && this.code(1) === chars.lf ? 2 : 1
    this.line += 1
    this.#lineStart = this.position
    return code === chars.lineSeparator || code === chars.paragraphSeparator
      ? String.fromCharCode(code)
      : '\n'
  }

  /** Over line feeds and spaces, of which there may be millions; to a place in the last line. */
  skipEmptyLines(): void {
    emptyLines.lastIndex = this.position
    emptyLines.test(this.text)
    this.position = Math.min(emptyLines.lastIndex, this.#end)
    this.line += 1
    this.#lineStart = this.text.lastIndexOf('\n', this.position - 1) + 1
  }

  skipBlanks(): void {
    while (isBlank(this.code())) this.position += 1
  }

  /** To the end of the line, if a comment begins here. */
  skipComment(): void {
    if (this.code() === chars.hash) this.skipLine()
  }

  /** To the next line break. There is one: the text ends with it. */
  skipLine(): void {
    restOfLine.lastIndex = this.position
    restOfLine.test(this.text)
    this.position = restOfLine.lastIndex
  }

  /** `---` or `...` on a line of its own, or with something after a blank. */
  isDocumentIndicator(code: number): boolean {
    return (
      this.code() === code &&
      this.column === 0 &&
      this.code(1) === code &&
      this.code(2) === code &&
      isSpaceOrEnd(this.code(3))
    )
  }
}
