import { chars, isBreak, isSpaceOrEnd, isWord, type Cursor } from './cursor.ts'
import {
  scanBlockScalar,
  scanPlainScalar,
  scanQuotedScalar,
  tabError,
  type Tolerate,
} from './scalars.ts'
import { scanTag } from './tag.ts'
import { YamlSyntaxError } from './yaml-node.ts'

export type TokenKind =
  | 'streamEnd'
  | 'directive'
  | 'documentStart'
  | 'documentEnd'
  | 'blockSequenceStart'
  | 'blockMappingStart'
  | 'blockEnd'
  | 'flowSequenceStart'
  | 'flowSequenceEnd'
  | 'flowMappingStart'
  | 'flowMappingEnd'
  | 'blockEntry'
  | 'flowEntry'
  | 'key'
  | 'value'
  | 'alias'
  | 'anchor'
  | 'tag'
  | 'scalar'

export interface Token {
  readonly kind: TokenKind
  readonly start: number
  readonly end: number
  /** The text of a scalar, the name of an anchor, the whole of a tag. */
  readonly text: string
  /** Of a scalar: without quotes. */
  readonly plain: boolean
}

/** Where a key may have begun: only the colon after it tells. */
interface SimpleKey {
  readonly possible: boolean
  /** Nothing else can stand here. */
  readonly required: boolean
  /** The number of its first token, of all that there were. */
  readonly token: number
  readonly position: number
  readonly line: number
  readonly column: number
}

const noKey: SimpleKey = {
  possible: false,
  required: false,
  token: -1,
  position: 0,
  line: 0,
  column: 0,
}

/** A key without `?` ends within this many characters (YAML 1.1, 9.1.4). */
const maxKeyLength = 1024

/**
 * The tokens of one YAML text, as go-yaml v2 finds them (scannerc.go), in the order that the
 * parser needs: a mapping's start and its key come before the key's own tokens, though only the
 * colon after these tells of it. So tokens wait in a queue, no longer than the longest key.
 *
 * The text ends with a line break and has no character that YAML forbids. Each step throws a
 * YamlSyntaxError at what is wrong.
 */
export class Scanner {
  readonly #cursor: Cursor
  readonly #tolerate: Tolerate
  #queue: Token[] = []
  #head = 0
  /** How many tokens have been taken. */
  #taken = 0
  #isReady = false
  /** The column of the innermost block collection; -1 in none. */
  #indent = -1
  readonly #indents: number[] = []
  #flowLevel = 0
  #keyAllowed = true
  /** The last possible key of each flow level, the block context's first. */
  readonly #keys: SimpleKey[] = [noKey]
  /** The level of the possible key that begins with a token. */
  readonly #levels = new Map<number, number>()
  /** No document has begun. */
  #betweenDocuments = true

  constructor(cursor: Cursor, tolerate: Tolerate) {
    this.#cursor = cursor
    this.#tolerate = tolerate
  }

  /** The next token. After the `streamEnd` there is none. */
  peek(): Token {
    if (!this.#isReady) this.#makeReady()
    return this.#queue[this.#head] as Token
  }

  /** Goes on to the next token. */
  skip(): void {
    this.#isReady = false
    this.#taken += 1
    this.#head += 1
    if (this.#head < 256) return
    this.#queue = this.#queue.slice(this.#head)
    this.#head = 0
  }

  /** A token may be taken when it is known that it does not begin a key. */
  #makeReady(): void {
    for (;;) {
      if (this.#head < this.#queue.length) {
        const level = this.#levels.get(this.#taken)
        if (level === undefined || !this.#isValid(level)) break
      }
      this.#fetch()
    }
    this.#isReady = true
  }

  #fetch(): void {
    const cursor = this.#cursor
    this.#skipToToken()
    this.#unrollIndent(cursor.column)
    const code = cursor.code()
    if (code === 0) return this.#fetchStreamEnd()
    if (cursor.column === 0) {
      if (cursor.isDocumentIndicator(chars.dash))
        return this.#fetchDocumentIndicator('documentStart')
      if (cursor.isDocumentIndicator(chars.dot))
        return this.#fetchDocumentIndicator('documentEnd')
      if (code === chars.percent) return this.#fetchDirective()
    }
    this.#betweenDocuments = false
    const inFlow = this.#flowLevel > 0
    switch (code) {
      case chars.openBracket:
        return this.#fetchFlowStart('flowSequenceStart')
      case chars.openBrace:
        return this.#fetchFlowStart('flowMappingStart')
      case chars.closeBracket:
        return this.#fetchFlowEnd('flowSequenceEnd')
      case chars.closeBrace:
        return this.#fetchFlowEnd('flowMappingEnd')
      case chars.comma:
        return this.#fetchFlowEntry()
      case chars.asterisk:
        return this.#fetchAnchor('alias')
      case chars.ampersand:
        return this.#fetchAnchor('anchor')
      case chars.exclamation:
        return this.#fetchTag()
      case chars.singleQuote:
      case chars.doubleQuote:
        return this.#fetchQuotedScalar()
      case chars.pipe:
      case chars.greater:
        if (!inFlow) return this.#fetchBlockScalar()
        break
      case chars.dash:
        return isSpaceOrEnd(cursor.code(1))
          ? this.#fetchBlockEntry()
          : this.#fetchPlainScalar()
      case chars.question:
        return inFlow || isSpaceOrEnd(cursor.code(1))
          ? this.#fetchKey()
          : this.#fetchPlainScalar()
      case chars.colon:
        return inFlow || isSpaceOrEnd(cursor.code(1))
          ? this.#fetchValue()
          : this.#fetchPlainScalar()
      case chars.tab:
        throw tabError(cursor.position)
      case chars.hash:
      case chars.percent:
      case chars.at:
      case chars.backtick:
        break
      default:
        return this.#fetchPlainScalar()
    }
    throw new YamlSyntaxError(
      cursor.position,
      'found character that cannot start any token',
    )
  }

  /** Over blanks, comments and line breaks. */
  #skipToToken(): void {
    const cursor = this.#cursor
    for (;;) {
      let code = cursor.code()
      while (
        code === chars.space ||
        (code === chars.tab && (this.#flowLevel > 0 || !this.#keyAllowed))
      ) {
        cursor.position += 1
        code = cursor.code()
      }
      cursor.skipComment()
      code = cursor.code()
      if (!isBreak(code)) return
      if (code === chars.lf) cursor.skipEmptyLines()
      else cursor.break()
      if (this.#flowLevel === 0) this.#keyAllowed = true
    }
  }

  /** Whether the colon may still come. Throws when it must have, and has not. */
  #isValid(level: number): boolean {
    const key = this.#keys[level]
    if (key === undefined || !key.possible) return false
    const { text, position, line } = this.#cursor
    // A character beyond the basic plane has two units.
    const isNear =
      line === key.line &&
      (position - key.position <= maxKeyLength ||
        (position - key.position <= 2 * maxKeyLength &&
          Array.from(text.slice(key.position, position)).length <=
            maxKeyLength))
    if (isNear) return true
    this.#dropKey(level, key)
    return false
  }

  #dropKey(level: number, key: SimpleKey): void {
    if (key.required)
      throw new YamlSyntaxError(key.position, "could not find expected ':'")
    this.#keys[level] = noKey
    this.#levels.delete(key.token)
  }

  /** A key may begin here. */
  #saveKey(): void {
    if (!this.#keyAllowed) return
    this.#removeKey()
    const { position, line, column } = this.#cursor
    const token = this.#taken + this.#queue.length - this.#head
    const level = this.#keys.length - 1
    this.#keys[level] = {
      possible: true,
      required: this.#flowLevel === 0 && this.#indent === column,
      token,
      position,
      line,
      column,
    }
    this.#levels.set(token, level)
  }

  /** What may have been a key on this level is none. */
  #removeKey(): void {
    const level = this.#keys.length - 1
    const key = this.#keys[level]
    if (key === undefined || !key.possible) return
    this.#dropKey(level, key)
  }

  /** Begins a block collection at a column, unless it is in one there. */
  #rollIndent(
    kind: 'blockSequenceStart' | 'blockMappingStart',
    column: number,
    position: number,
    token?: number,
  ): void {
    if (this.#flowLevel > 0 || this.#indent >= column) return
    this.#indents.push(this.#indent)
    this.#indent = column
    this.#insert(kind, position, token)
  }

  /** Ends the block collections that are further in than a column. */
  #unrollIndent(column: number): void {
    if (this.#flowLevel > 0) return
    while (this.#indent > column) {
      const { position } = this.#cursor
      this.#add('blockEnd', position, position)
      this.#indent = this.#indents.pop() ?? -1
    }
  }

  #add(
    kind: TokenKind,
    start: number,
    end: number,
    text = '',
    plain = false,
  ): void {
    this.#queue.push({ kind, start, end, text, plain })
  }

  /** Before the token of that number; else at the end. */
  #insert(kind: TokenKind, position: number, token?: number): void {
    const entry = {
      kind,
      start: position,
      end: position,
      text: '',
      plain: false,
    }
    if (token === undefined) this.#queue.push(entry)
    else this.#queue.splice(this.#head + token - this.#taken, 0, entry)
  }

  /** A token of so many characters. */
  #take(kind: TokenKind, length = 1): void {
    const start = this.#cursor.position
    this.#cursor.position += length
    this.#add(kind, start, this.#cursor.position)
  }

  #fetchStreamEnd(): void {
    this.#unrollIndent(-1)
    this.#removeKey()
    this.#keyAllowed = false
    this.#take('streamEnd', 0)
  }

  /** kubectl refuses all but %YAML 1.1 and %TAG, and these, too, where it divides at `---`. */
  #fetchDirective(): void {
    const cursor = this.#cursor
    this.#unrollIndent(-1)
    this.#removeKey()
    this.#keyAllowed = false
    const start = cursor.position
    cursor.skipLine()
    if (this.#betweenDocuments)
      this.#tolerate(start, 'found incompatible YAML document')
    this.#add('directive', start, cursor.position)
  }

  #fetchDocumentIndicator(kind: 'documentStart' | 'documentEnd'): void {
    this.#unrollIndent(-1)
    this.#removeKey()
    this.#keyAllowed = false
    this.#betweenDocuments = kind === 'documentEnd'
    this.#take(kind, 3)
  }

  #fetchFlowStart(kind: 'flowSequenceStart' | 'flowMappingStart'): void {
    this.#saveKey()
    this.#keys.push(noKey)
    this.#flowLevel += 1
    this.#keyAllowed = true
    this.#take(kind)
  }

  #fetchFlowEnd(kind: 'flowSequenceEnd' | 'flowMappingEnd'): void {
    this.#removeKey()
    if (this.#flowLevel > 0) {
      this.#flowLevel -= 1
      this.#keys.pop()
    }
    this.#keyAllowed = false
    this.#take(kind)
  }

  #fetchFlowEntry(): void {
    this.#removeKey()
    this.#keyAllowed = true
    this.#take('flowEntry')
  }

  #fetchBlockEntry(): void {
    if (this.#flowLevel === 0) {
      const { position, column } = this.#cursor
      if (!this.#keyAllowed)
        throw new YamlSyntaxError(
          position,
          'block sequence entries are not allowed in this context',
        )
      this.#rollIndent('blockSequenceStart', column, position)
    }
    this.#removeKey()
    this.#keyAllowed = true
    this.#take('blockEntry')
  }

  #fetchKey(): void {
    if (this.#flowLevel === 0) {
      const { position, column } = this.#cursor
      if (!this.#keyAllowed)
        throw new YamlSyntaxError(
          position,
          'mapping keys are not allowed in this context',
        )
      this.#rollIndent('blockMappingStart', column, position)
    }
    this.#removeKey()
    this.#keyAllowed = this.#flowLevel === 0
    this.#take('key')
  }

  #fetchValue(): void {
    const level = this.#keys.length - 1
    const key = this.#keys[level] ?? noKey
    if (this.#isValid(level)) {
      const { token, position, column } = key
      this.#insert('key', position, token)
      this.#rollIndent('blockMappingStart', column, position, token)
      this.#keys[level] = noKey
      this.#levels.delete(token)
      this.#keyAllowed = false
    } else {
      if (this.#flowLevel === 0) {
        const { position, column } = this.#cursor
        if (!this.#keyAllowed)
          throw new YamlSyntaxError(
            position,
            'mapping values are not allowed in this context',
          )
        this.#rollIndent('blockMappingStart', column, position)
      }
      this.#keyAllowed = this.#flowLevel === 0
    }
    this.#take('value')
  }

  #fetchAnchor(kind: 'alias' | 'anchor'): void {
    this.#saveKey()
    this.#keyAllowed = false
    const cursor = this.#cursor
    const start = cursor.position
    cursor.position += 1
    while (isWord(cursor.code())) cursor.position += 1
    const name = cursor.text.slice(start + 1, cursor.position)
    const code = cursor.code()
    const ends =
      isSpaceOrEnd(code) ||
      '?:,]}%@`'.includes(cursor.text.charAt(cursor.position))
    if (name === '' || !ends)
      throw new YamlSyntaxError(
        start,
        'did not find expected alphabetic or numeric character',
      )
    this.#add(kind, start, cursor.position, name)
  }

  #fetchTag(): void {
    this.#saveKey()
    this.#keyAllowed = false
    const start = this.#cursor.position
    const tag = scanTag(this.#cursor)
    this.#add('tag', start, this.#cursor.position, tag)
  }

  #fetchBlockScalar(): void {
    this.#removeKey()
    this.#keyAllowed = true
    const start = this.#cursor.position
    const text = scanBlockScalar(this.#cursor, this.#indent, this.#tolerate)
    this.#add('scalar', start, this.#cursor.position, text)
  }

  #fetchQuotedScalar(): void {
    this.#saveKey()
    this.#keyAllowed = false
    const start = this.#cursor.position
    const text = scanQuotedScalar(this.#cursor, this.#tolerate)
    this.#add('scalar', start, this.#cursor.position, text)
  }

  #fetchPlainScalar(): void {
    this.#saveKey()
    this.#keyAllowed = false
    const start = this.#cursor.position
    const { text, end, endedLine } = scanPlainScalar(
      this.#cursor,
      this.#indent + 1,
      this.#flowLevel > 0,
    )
    this.#add('scalar', start, end, text, true)
    if (endedLine) this.#keyAllowed = true
  }
}
