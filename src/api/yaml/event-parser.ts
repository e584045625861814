import type { Scanner, Token, TokenKind } from './scanner.ts'
import { YamlSyntaxError } from './yaml-node.ts'

export type YamlEvent =
  | { readonly kind: 'documentStart' | 'streamEnd'; readonly offset: number }
  | { readonly kind: 'documentEnd' | 'end'; readonly offset: number }
  /** Whoever waits for the next document may take a turn. */
  | { readonly kind: 'nothing'; readonly offset: number }
  | { readonly kind: 'alias'; readonly offset: number; readonly name: string }
  | {
      readonly kind: 'sequence' | 'mapping'
      readonly offset: number
      readonly anchor: string | undefined
    }
  | {
      readonly kind: 'scalar'
      readonly offset: number
      readonly anchor: string | undefined
      readonly tag: string | undefined
      readonly text: string
      readonly plain: boolean
    }

type State =
  | 'firstDocument'
  | 'document'
  | 'documentAfterEnd'
  | 'documentContent'
  | 'documentEnd'
  | 'blockNode'
  | 'blockSequenceFirst'
  | 'blockSequence'
  | 'indentlessSequence'
  | 'blockMappingFirst'
  | 'blockMappingKey'
  | 'blockMappingValue'
  | 'flowSequenceFirst'
  | 'flowSequence'
  | 'flowPairKey'
  | 'flowPairValue'
  | 'flowPairEnd'
  | 'flowMappingFirst'
  | 'flowMappingKey'
  | 'flowMappingValue'
  | 'flowMappingEmptyValue'
  | 'end'

/**
 * The grammar of YAML, as go-yaml v2 has it (parserc.go): a state machine with a stack of the
 * states to go back to, so that depth costs no stack of the machine. Each call of `next` takes
 * a few tokens and returns what they mean. Throws a YamlSyntaxError at what does not fit.
 */
export class EventParser {
  readonly #scanner: Scanner
  #state: State = 'firstDocument'
  readonly #states: State[] = []

  constructor(scanner: Scanner) {
    this.#scanner = scanner
  }

  next(): YamlEvent {
    switch (this.#state) {
      case 'firstDocument':
      case 'document':
      case 'documentAfterEnd':
        return this.#documentStart()
      case 'documentContent':
        return this.#documentContent()
      case 'documentEnd':
        return this.#documentEnd()
      case 'blockNode':
        return this.#node()
      case 'blockSequenceFirst':
        this.#scanner.skip()
        return this.#blockSequence()
      case 'blockSequence':
        return this.#blockSequence()
      case 'indentlessSequence':
        return this.#indentlessSequence()
      case 'blockMappingFirst':
        this.#scanner.skip()
        return this.#blockMappingKey()
      case 'blockMappingKey':
        return this.#blockMappingKey()
      case 'blockMappingValue':
        return this.#blockMappingValue()
      case 'flowSequenceFirst':
        this.#scanner.skip()
        return this.#flowSequence(true)
      case 'flowSequence':
        return this.#flowSequence(false)
      case 'flowPairKey':
        return this.#flowPairKey()
      case 'flowPairValue':
        return this.#flowPairValue()
      case 'flowPairEnd':
        this.#state = 'flowSequence'
        return { kind: 'end', offset: this.#peek().start }
      case 'flowMappingFirst':
        this.#scanner.skip()
        return this.#flowMappingKey(true)
      case 'flowMappingKey':
        return this.#flowMappingKey(false)
      case 'flowMappingValue':
        return this.#flowMappingValue()
      case 'flowMappingEmptyValue':
        this.#state = 'flowMappingKey'
        return empty(this.#peek().start)
      case 'end':
    }
    return { kind: 'streamEnd', offset: this.#peek().start }
  }

  #peek(): Token {
    return this.#scanner.peek()
  }

  /** The token after the next one, which is taken. */
  #following(): Token {
    this.#scanner.skip()
    return this.#scanner.peek()
  }

  #back(): void {
    this.#state = this.#states.pop() ?? 'end'
  }

  #documentStart(): YamlEvent {
    const isFirst = this.#state === 'firstDocument'
    const mayBeImplicit = this.#state !== 'document'
    const token = this.#peek()
    if (mayBeImplicit && token.kind === 'directive') {
      this.#scanner.skip()
      return { kind: 'nothing', offset: token.start }
    }
    if (!isFirst && token.kind === 'documentEnd') {
      this.#scanner.skip()
      this.#state = 'documentAfterEnd'
      return { kind: 'nothing', offset: token.start }
    }
    if (token.kind === 'streamEnd') {
      this.#state = 'end'
      return { kind: 'streamEnd', offset: token.start }
    }
    this.#states.push('documentEnd')
    if (token.kind === 'documentStart') {
      this.#scanner.skip()
      this.#state = 'documentContent'
    } else if (mayBeImplicit) {
      this.#state = 'blockNode'
    } else {
      throw new YamlSyntaxError(
        token.start,
        'did not find expected <document start>',
      )
    }
    return { kind: 'documentStart', offset: token.start }
  }

  #documentContent(): YamlEvent {
    const { kind, start } = this.#peek()
    if (
      kind !== 'directive' &&
      kind !== 'documentStart' &&
      kind !== 'documentEnd' &&
      kind !== 'streamEnd'
    )
      return this.#node()
    this.#back()
    return empty(start)
  }

  #documentEnd(): YamlEvent {
    // YAML 1.2 wants no `---` after `...`.
    const { kind, start } = this.#peek()
    if (kind === 'documentEnd') this.#scanner.skip()
    this.#state = kind === 'documentEnd' ? 'documentAfterEnd' : 'document'
    return { kind: 'documentEnd', offset: start }
  }

  #node(maybeIndentless = false): YamlEvent {
    let token = this.#peek()
    const offset = token.start
    if (token.kind === 'alias') {
      this.#back()
      this.#scanner.skip()
      return { kind: 'alias', offset, name: token.text }
    }
    let anchor: string | undefined
    let tag: string | undefined
    if (token.kind === 'anchor') {
      anchor = token.text
      token = this.#following()
    }
    if (token.kind === 'tag') {
      tag = token.text
      token = this.#following()
      if (anchor === undefined && token.kind === 'anchor') {
        anchor = token.text
        token = this.#following()
      }
    }
    switch (token.kind) {
      case 'blockEntry':
        if (!maybeIndentless) break
        this.#state = 'indentlessSequence'
        return { kind: 'sequence', offset, anchor }
      case 'scalar': {
        this.#back()
        this.#scanner.skip()
        const { text } = token
        const plain = tag === undefined ? token.plain : tag === '!'
        return { kind: 'scalar', offset, anchor, tag, text, plain }
      }
      case 'flowSequenceStart':
        this.#state = 'flowSequenceFirst'
        return { kind: 'sequence', offset, anchor }
      case 'flowMappingStart':
        this.#state = 'flowMappingFirst'
        return { kind: 'mapping', offset, anchor }
      case 'blockSequenceStart':
        this.#state = 'blockSequenceFirst'
        return { kind: 'sequence', offset, anchor }
      case 'blockMappingStart':
        this.#state = 'blockMappingFirst'
        return { kind: 'mapping', offset, anchor }
      // Stryker disable StringLiteral: all of them, so that none is forgotten
      case 'alias':
      case 'anchor':
      case 'blockEnd':
      case 'directive':
      case 'documentEnd':
      case 'documentStart':
      case 'flowEntry':
      case 'flowMappingEnd':
      case 'flowSequenceEnd':
      case 'key':
      case 'streamEnd':
      case 'tag':
      case 'value':
    }
    // Stryker restore StringLiteral
    if (anchor === undefined && tag === undefined)
      throw new YamlSyntaxError(
        token.start,
        'did not find expected node content',
      )
    this.#back()
    const plain = tag === undefined
    return { kind: 'scalar', offset, anchor, tag, text: '', plain }
  }

  /** A node, and what comes after it; or none, when one of these tokens comes instead. */
  #nodeUnless(
    token: Token,
    absent: readonly TokenKind[],
    after: State,
    emptyOffset: number,
    maybeIndentless = false,
  ): YamlEvent {
    if (absent.includes(token.kind)) {
      this.#state = after
      return empty(emptyOffset)
    }
    this.#states.push(after)
    return this.#node(maybeIndentless)
  }

  #end(token: Token): YamlEvent {
    this.#back()
    this.#scanner.skip()
    return { kind: 'end', offset: token.start }
  }

  #blockSequence(): YamlEvent {
    const token = this.#peek()
    if (token.kind === 'blockEnd') return this.#end(token)
    if (token.kind !== 'blockEntry')
      throw new YamlSyntaxError(
        token.start,
        "did not find expected '-' indicator",
      )
    return this.#nodeUnless(
      this.#following(),
      ['blockEntry', 'blockEnd'],
      'blockSequence',
      token.end,
    )
  }

  #indentlessSequence(): YamlEvent {
    const token = this.#peek()
    if (token.kind !== 'blockEntry') {
      this.#back()
      return { kind: 'end', offset: token.start }
    }
    return this.#nodeUnless(
      this.#following(),
      ['blockEntry', 'key', 'value', 'blockEnd'],
      'indentlessSequence',
      token.end,
    )
  }

  #blockMappingKey(): YamlEvent {
    const token = this.#peek()
    if (token.kind === 'blockEnd') return this.#end(token)
    if (token.kind !== 'key')
      throw new YamlSyntaxError(token.start, 'did not find expected key')
    return this.#nodeUnless(
      this.#following(),
      ['key', 'value', 'blockEnd'],
      'blockMappingValue',
      token.end,
      true,
    )
  }

  #blockMappingValue(): YamlEvent {
    const token = this.#peek()
    if (token.kind !== 'value') {
      this.#state = 'blockMappingKey'
      return empty(token.start)
    }
    return this.#nodeUnless(
      this.#following(),
      ['key', 'value', 'blockEnd'],
      'blockMappingKey',
      token.end,
      true,
    )
  }

  #flowSequence(isFirst: boolean): YamlEvent {
    const token = this.#afterComma(
      isFirst,
      'flowSequenceEnd',
      "did not find expected ',' or ']'",
    )
    if (token.kind === 'flowSequenceEnd') return this.#end(token)
    if (token.kind === 'key') {
      this.#scanner.skip()
      this.#state = 'flowPairKey'
      return { kind: 'mapping', offset: token.start, anchor: undefined }
    }
    this.#states.push('flowSequence')
    return this.#node()
  }

  /** The first token of an item, or that of the end. */
  #afterComma(isFirst: boolean, end: TokenKind, expected: string): Token {
    const token = this.#peek()
    if (isFirst || token.kind === end) return token
    if (token.kind !== 'flowEntry')
      throw new YamlSyntaxError(token.start, expected)
    return this.#following()
  }

  #flowPairKey(): YamlEvent {
    const token = this.#peek()
    // go-yaml goes over what comes instead of a key; what follows then fits nowhere.
    if (
      token.kind === 'value' ||
      token.kind === 'flowEntry' ||
      token.kind === 'flowSequenceEnd'
    )
      this.#scanner.skip()
    return this.#nodeUnless(
      token,
      ['value', 'flowEntry', 'flowSequenceEnd'],
      'flowPairValue',
      token.end,
    )
  }

  #flowPairValue(): YamlEvent {
    const token = this.#peek()
    if (token.kind !== 'value') {
      this.#state = 'flowPairEnd'
      return empty(token.start)
    }
    return this.#nodeUnless(
      this.#following(),
      ['flowEntry', 'flowSequenceEnd'],
      'flowPairEnd',
      token.end,
    )
  }

  #flowMappingKey(isFirst: boolean): YamlEvent {
    const token = this.#afterComma(
      isFirst,
      'flowMappingEnd',
      "did not find expected ',' or '}'",
    )
    if (token.kind === 'flowMappingEnd') return this.#end(token)
    if (token.kind === 'key') {
      const following = this.#following()
      return this.#nodeUnless(
        following,
        ['value', 'flowEntry', 'flowMappingEnd'],
        'flowMappingValue',
        following.start,
      )
    }
    this.#states.push('flowMappingEmptyValue')
    return this.#node()
  }

  #flowMappingValue(): YamlEvent {
    const token = this.#peek()
    if (token.kind !== 'value') {
      this.#state = 'flowMappingKey'
      return empty(token.start)
    }
    return this.#nodeUnless(
      this.#following(),
      ['flowEntry', 'flowMappingEnd'],
      'flowMappingKey',
      token.end,
    )
  }
}

/** A value that is not there. */
function empty(offset: number): YamlEvent {
  return {
    kind: 'scalar',
    offset,
    anchor: undefined,
    tag: undefined,
    text: '',
    plain: true,
  }
}
