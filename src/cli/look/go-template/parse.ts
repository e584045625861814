import { Failure } from '../../../util/failure.ts'
import { functions } from './functions.ts'
import { GoFloat, type GoValue } from './go-value.ts'

/*
 * Go's text/template (parse/lex.go and parse/parse.go), as far as `kubectl get -o go-template`
 * is used: no npm package speaks it. What is not there (define, template, block, call, js,
 * complex numbers) is refused by its name.
 */

/** Where it stands in the template: what an error points at. */
interface Place {
  readonly at: number
  /** As it is written. */
  readonly text: string
}

export type Operand = Place &
  (
    | { readonly kind: 'dot' }
    | { readonly kind: 'nil' }
    | { readonly kind: 'constant'; readonly value: GoValue }
    | { readonly kind: 'function'; readonly name: string }
    | { readonly kind: 'field'; readonly names: readonly string[] }
    | {
        readonly kind: 'variable'
        readonly name: string
        readonly names: readonly string[]
      }
    | {
        readonly kind: 'pipe'
        readonly pipe: Pipe
        readonly names: readonly string[]
      }
  )

export interface Command extends Place {
  readonly operands: readonly [Operand, ...Operand[]]
}

export interface Pipe extends Place {
  readonly variables: readonly string[]
  /** `=`, not `:=`. */
  readonly isAssignment: boolean
  readonly commands: readonly Command[]
}

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipe: Pipe }
  | ({ readonly kind: 'break' | 'continue' } & Place)
  | {
      readonly kind: 'if' | 'with' | 'range'
      readonly pipe: Pipe
      readonly body: readonly Node[]
      readonly otherwise: readonly Node[]
    }

type Token = Place & {
  readonly kind:
    | 'field'
    | 'dot'
    | 'variable'
    | 'word'
    | 'string'
    | 'number'
    | 'sign'
    | 'right'
  /** A blank stands before it. */
  readonly isApart: boolean
}

type Piece =
  | { readonly text: string }
  | { readonly at: number; readonly tokens: readonly Token[] }

/** Throws a usage Failure for what is no template. */
export function parseTemplate(template: string): readonly Node[] {
  return new Parser(template).parse()
}

const name = String.raw`[\p{L}_][\p{L}\p{Nd}_]*`
const tokenPattern = new RegExp(
  [
    String.raw`(?<string>"(?:\\.|[^"\\\n])*"|\x60[^\x60]*\x60|'(?:\\.|[^'\\\n])+')`,
    String.raw`(?<number>[+-]?(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*)?\.?\d[\d_]*(?:[eE][+-]?\d+)?)(?![\p{L}\d]))`,
    String.raw`(?<variable>\$(?:${name})?)`,
    String.raw`(?<field>\.${name})`,
    String.raw`(?<word>${name})`,
    String.raw`(?<dot>\.)`,
    String.raw`(?<sign>:=|[=|(),])`,
  ].join('|'),
  'yu',
)

class Parser {
  readonly #template: string
  readonly #pieces: readonly Piece[]
  #piece = 0
  /** Of the action that is being read. */
  #tokens: readonly Token[] = []
  #next = 0
  #variables = ['$']
  #loops = 0

  constructor(template: string) {
    this.#template = template
    this.#pieces = this.#lex()
  }

  parse(): readonly Node[] {
    const { nodes, end } = this.#list()
    if (end !== undefined)
      throw this.#error(end.at, `unexpected {{${end.word}}}`)
    return nodes
  }

  /** Cuts the template into texts and actions, and takes the blanks that `{{-` and `-}}` name. */
  #lex(): readonly Piece[] {
    const pieces: Piece[] = []
    let at = 0
    let trims = false
    for (;;) {
      const open = this.#template.indexOf('{{', at)
      const isLast = open === -1
      const inside = isLast ? this.#template.length : open + 2
      const isTrimming =
        !isLast && /^-[ \t\r\n]/.test(this.#template.slice(inside))
      let text = this.#template.slice(at, isLast ? undefined : open)
      if (trims) text = text.replace(/^[ \t\r\n]+/, '')
      if (isTrimming) text = text.replace(/[ \t\r\n]+$/, '')
      if (text !== '') pieces.push({ text })
      if (isLast) return pieces
      const action = this.#lexAction(isTrimming ? inside + 1 : inside)
      if (action.tokens !== undefined)
        pieces.push({ at: inside, tokens: action.tokens })
      at = action.end
      trims = action.trims
    }
  }

  #lexAction(start: number): {
    readonly end: number
    readonly trims: boolean
    /** Undefined: a comment. */
    readonly tokens?: readonly Token[]
  } {
    const comment = /^[ \t\r\n]*\/\*.*?\*\/([ \t\r\n]+-)?\}\}/s.exec(
      this.#template.slice(start),
    )
    if (comment !== null)
      return {
        end: start + comment[0].length,
        trims: comment[1] !== undefined,
      }
    const tokens: Token[] = []
    for (let at = start; ;) {
      const blank = /[ \t\r\n]*/y
      blank.lastIndex = at
      const isApart = (blank.exec(this.#template)?.[0] ?? '') !== ''
      at = blank.lastIndex
      const right = /(-)?\}\}/y
      right.lastIndex = at
      const close = right.exec(this.#template)
      if (close !== null && (close[1] === undefined || isApart)) {
        tokens.push({ kind: 'right', at, text: '}}', isApart })
        return { end: right.lastIndex, trims: close[1] !== undefined, tokens }
      }
      if (at >= this.#template.length) throw this.#error(at, 'unclosed action')
      tokenPattern.lastIndex = at
      const match = tokenPattern.exec(this.#template)
      if (match === null) {
        const [character = ''] = this.#template.slice(at)
        throw this.#error(
          at,
          '"\'\x60'.includes(character)
            ? 'unterminated quoted string'
            : `unexpected ${JSON.stringify(character)} in operand`,
        )
      }
      const [kind = 'sign'] = Object.entries(match.groups ?? {}).find(
        ([, value]) => value !== undefined,
      ) ?? ['sign']
      tokens.push({
        kind: kind as Token['kind'],
        at,
        text: match[0],
        isApart,
      })
      at = tokenPattern.lastIndex
    }
  }

  /** Up to the `{{end}}` or `{{else}}` that is not of one of its own nodes. */
  #list(): {
    readonly nodes: readonly Node[]
    readonly end?: { readonly at: number; readonly word: 'end' | 'else' }
  } {
    const nodes: Node[] = []
    for (;;) {
      const piece = this.#pieces[this.#piece++]
      if (piece === undefined) return { nodes }
      if ('text' in piece) {
        nodes.push({ kind: 'text', text: piece.text })
        continue
      }
      this.#tokens = piece.tokens
      this.#next = 0
      const { at, kind, text: word } = this.#peek()
      if (kind === 'word' && (word === 'end' || word === 'else')) {
        this.#next++
        return { nodes, end: { at, word } }
      }
      nodes.push(this.#action())
    }
  }

  #action(): Node {
    const first = this.#peek()
    if (first.kind === 'word')
      switch (first.text) {
        case 'if':
        case 'with':
        case 'range':
          this.#next++
          return this.#control(first.text)
        case 'break':
        case 'continue':
          this.#next++
          if (this.#loops === 0)
            throw this.#error(first.at, `{{${first.text}}} outside {{range}}`)
          this.#right()
          return { kind: first.text, at: first.at, text: first.text }
        case 'define':
        case 'template':
        case 'block':
          throw this.#error(first.at, `podfs has no {{${first.text}}}`)
      }
    const pipe = this.#pipe('command')
    this.#right()
    return { kind: 'action', pipe }
  }

  #control(kind: 'if' | 'with' | 'range'): Node {
    const known = this.#variables.length
    const pipe = this.#pipe(kind)
    this.#right()
    if (kind === 'range') this.#loops++
    const { nodes: body, end } = this.#list()
    if (kind === 'range') this.#loops--
    if (end === undefined)
      throw this.#error(this.#template.length, 'unexpected EOF')
    let otherwise: readonly Node[] = []
    if (end.word === 'else') {
      const { kind: what, text: word } = this.#peek()
      // `{{else if}}` needs no end of its own, and so with `with`.
      if (what === 'word' && word === kind && kind !== 'range') {
        this.#next++
        otherwise = [this.#control(kind)]
        this.#variables.length = known
        return { kind, pipe, body, otherwise }
      }
      this.#right()
      const rest = this.#list()
      if (rest.end?.word !== 'end')
        throw rest.end === undefined
          ? this.#error(this.#template.length, 'unexpected EOF')
          : this.#error(rest.end.at, 'expected end; found {{else}}')
      otherwise = rest.nodes
    }
    this.#right()
    this.#variables.length = known
    return { kind, pipe, body, otherwise }
  }

  /** `$x, $y := command | command`. */
  #pipe(context: string): Pipe {
    const { at } = this.#peek()
    const { variables, isAssignment } = this.#declarations(context)
    const commands: Command[] = []
    do {
      if (commands.length > 0) this.#next++
      if (this.#isAtEnd() || this.#isSign('|'))
        throw this.#error(
          at,
          commands.length === 0
            ? `missing value for ${context}`
            : `missing value for ${context}`,
        )
      const command = this.#command()
      const [{ kind }] = command.operands
      if (commands.length > 0 && ['constant', 'dot', 'nil'].includes(kind))
        throw this.#error(
          command.at,
          `non executable command in pipeline stage ${commands.length + 1}`,
        )
      commands.push(command)
    } while (this.#isSign('|'))
    if (!isAssignment) this.#variables.push(...variables)
    return {
      variables,
      isAssignment,
      commands,
      ...this.#placeSince(at),
    }
  }

  #declarations(context: string): Pick<Pipe, 'variables' | 'isAssignment'> {
    const [first, sign] = this.#tokens.slice(this.#next)
    if (first?.kind !== 'variable')
      return { variables: [], isAssignment: false }
    if (sign?.text === ':=' || sign?.text === '=') {
      this.#next += 2
      const isAssignment = sign.text === '='
      if (isAssignment) this.#known(first)
      return { variables: [first.text], isAssignment }
    }
    const [, , second, after] = this.#tokens.slice(this.#next)
    if (
      context !== 'range' ||
      sign?.text !== ',' ||
      second?.kind !== 'variable' ||
      (after?.text !== ':=' && after?.text !== '=')
    )
      return { variables: [], isAssignment: false }
    this.#next += 4
    return {
      variables: [first.text, second.text],
      isAssignment: after.text === '=',
    }
  }

  #command(): Command {
    const { at } = this.#peek()
    const operands: Operand[] = []
    while (!this.#isAtEnd() && !this.#isSign('|'))
      operands.push(this.#operand())
    const [first, ...others] = operands
    if (first === undefined) throw this.#error(at, 'empty command')
    return { operands: [first, ...others], ...this.#placeSince(at) }
  }

  /** A term, and the fields that follow it without a blank. */
  #operand(): Operand {
    const token = this.#peek()
    this.#next++
    const { at, text, kind } = token
    switch (kind) {
      case 'field': {
        const { names, at: place } = this.#fields(at)
        const all = [text.slice(1), ...names]
        return { kind, names: all, ...this.#placeSince(at), at: place }
      }
      case 'variable': {
        this.#known(token)
        const { names, at: place } = this.#fields(at)
        return { kind, name: text, names, ...this.#placeSince(at), at: place }
      }
      case 'dot':
        return { kind, at, text }
      case 'word':
        return this.#word(token)
      case 'string':
        return { kind: 'constant', value: stringOf(text), at, text }
      case 'number':
        return { kind: 'constant', value: this.#number(token), at, text }
      case 'right':
        throw this.#error(at, 'unexpected "}}" in operand')
      case 'sign':
    }
    if (text !== '(') throw this.#error(at, `unexpected "${text}" in operand`)
    const pipe = this.#pipe('parenthesized pipeline')
    if (!this.#isSign(')'))
      throw this.#error(this.#peek().at, 'unclosed left paren')
    this.#next++
    const { names } = this.#fields(at)
    return { kind: 'pipe', pipe, names, ...this.#placeSince(at) }
  }

  #word({ at, text }: Token): Operand {
    if (text === 'true' || text === 'false')
      return { kind: 'constant', value: text === 'true', at, text }
    if (text === 'nil') return { kind: 'nil', at, text }
    if (text === 'and' || text === 'or' || Object.hasOwn(functions, text))
      return { kind: 'function', name: text, at, text }
    throw this.#error(
      at,
      ['call', 'js'].includes(text)
        ? `podfs has no function "${text}"`
        : `function "${text}" not defined`,
    )
  }

  /** `at`: where Go says that a chain of fields stands, at the second one. */
  #fields(start: number): {
    readonly names: readonly string[]
    readonly at: number
  } {
    const names: string[] = []
    let at: number | undefined
    for (;;) {
      const { kind, isApart, text, at: here } = this.#peek()
      if (kind !== 'field' || isApart) return { names, at: at ?? start }
      at ??= here
      names.push(text.slice(1))
      this.#next++
    }
  }

  #number({ at, text }: Token): GoValue {
    const bare = text.replaceAll('_', '')
    const isFloat = !/^[+-]?0[xXoObB]/.test(bare) && /[.eE]/.test(bare)
    const sign = bare.startsWith('-') ? -1 : 1
    const value = sign * Number(bare.replace(/^[+-]/, ''))
    if (Number.isNaN(value))
      throw this.#error(at, `bad number syntax: "${text}"`)
    return isFloat ? new GoFloat(value) : value
  }

  #known({ at, text }: Token): void {
    if (!this.#variables.includes(text))
      throw this.#error(at, `undefined variable "${text}"`)
  }

  #peek(): Token {
    const token = this.#tokens[this.#next]
    if (token === undefined)
      throw this.#error(this.#template.length, 'unexpected EOF')
    return token
  }

  #isSign(text: string): boolean {
    const token = this.#peek()
    return token.kind === 'sign' && token.text === text
  }

  #isAtEnd(): boolean {
    return this.#peek().kind === 'right' || this.#isSign(')')
  }

  #right(): void {
    const { kind, at, text } = this.#peek()
    if (kind !== 'right')
      throw this.#error(at, `unexpected "${text}" in command`)
  }

  /** What was written from there up to the last token that was read. */
  #placeSince(at: number): Place {
    const last = this.#tokens[this.#next - 1]
    const end = last === undefined ? at : last.at + last.text.length
    return { at, text: this.#template.slice(at, end) }
  }

  #error(at: number, what: string): Failure {
    const line = this.#template.slice(0, at).split('\n').length
    return new Failure(
      'usage',
      `error parsing template ${this.#template}, template: output:${line}: ${what}`,
    )
  }
}

/** Go's escapes are those of JSON, and some more; a character is its number. */
function stringOf(text: string): GoValue {
  const inner = text.slice(1, -1)
  if (text.startsWith('\x60')) return inner
  const unescaped = inner.replaceAll(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|(.))/gsu,
    (
      _,
      byte: string | undefined,
      short: string | undefined,
      long: string | undefined,
      octal: string | undefined,
      character: string,
    ) => {
      const hex = byte ?? short ?? long
      if (hex !== undefined)
        return String.fromCodePoint(Number.parseInt(hex, 16))
      if (octal !== undefined)
        return String.fromCodePoint(Number.parseInt(octal, 8))
      return escapes[character] ?? character
    },
  )
  return text.startsWith("'") ? unescaped.codePointAt(0) : unescaped
}

const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}
