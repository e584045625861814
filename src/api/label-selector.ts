import type { LabelSelector as ObjectSelector } from './types.ts'
import { qualifiedKey, validLabelValue } from './validation/names.ts'

/**
 * Label selectors: the syntax of kubectl's `-l` and the `selector` of a workload.
 *
 * The grammar, what it forgives and the words of its errors are those of
 * apimachinery/pkg/labels/selector.go of v1.34 (`Parse`), gt and lt included.
 */
export interface LabelRequirement {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt'
  readonly values: readonly string[]
}

export type LabelSelector = readonly LabelRequirement[]

/** A selector that is not one; `message` is kubectl's. */
export class LabelSelectorError extends Error {
  override readonly name = 'LabelSelectorError'
}

/** Every requirement must hold; an empty selector matches everything. */
export function selectorMatches(
  selector: LabelSelector,
  labels: ReadonlyMap<string, string>,
): boolean {
  return selector.every(requirement => holds(requirement, labels))
}

function holds(
  { key, operator, values }: LabelRequirement,
  labels: ReadonlyMap<string, string>,
): boolean {
  const value = labels.get(key)
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return isInteger(value) && BigInt(value) > BigInt(values[0] ?? 0)
    case 'Lt':
  }
  return isInteger(value) && BigInt(value) < BigInt(values[0] ?? 0)
}

function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^[+-]?\d+$/.test(text)
}

/** A selector of a manifest, which has been found valid. */
export function requirementsOf({
  matchLabels = new Map(),
  matchExpressions = [],
}: ObjectSelector): LabelSelector {
  return [
    ...[...matchLabels].map(
      ([key, value]) => ({ key, operator: 'In', values: [value] }) as const,
    ),
    ...matchExpressions.map(({ key = '', operator, values = [] }) => ({
      key,
      operator: operator as LabelRequirement['operator'],
      values,
    })),
  ]
}

/** Throws a LabelSelectorError. */
export function parseLabelSelector(text: string): LabelSelector {
  return new Parser(text).parse()
}

type Token =
  | { readonly kind: 'identifier' | 'in' | 'notin'; readonly text: string }
  | {
      readonly kind: '!' | '=' | '==' | '!=' | '(' | ')' | ',' | '<' | '>'
      readonly text: string
    }
  | { readonly kind: 'end'; readonly text: string }

const binaryOperators = ['in', 'notin', '=', '==', '!=', '>', '<'] as const
const operatorWords = 'in, notin, =, ==, !=, gt, lt'
const operators = {
  '=': 'In',
  '==': 'In',
  in: 'In',
  '!=': 'NotIn',
  notin: 'NotIn',
  '>': 'Gt',
  '<': 'Lt',
} as const

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  const pattern = /[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^ \t\r\n=!(),<>]+))/gy
  for (;;) {
    const [, symbol, word] = pattern.exec(text) ?? []
    if (symbol !== undefined) tokens.push({ kind: symbol as '=', text: symbol })
    else if (word === 'in' || word === 'notin')
      tokens.push({ kind: word, text: word })
    else if (word !== undefined) tokens.push({ kind: 'identifier', text: word })
    else break
  }
  return [...tokens, { kind: 'end', text: '' }]
}

class Parser {
  readonly #tokens: readonly Token[]
  #position = 0

  constructor(text: string) {
    this.#tokens = tokensOf(text)
  }

  parse(): LabelSelector {
    const requirements: LabelRequirement[] = []
    for (;;) {
      const { kind, text } = this.#peek()
      if (kind === 'end') return byKey(requirements)
      if (!isWord(kind) && kind !== '!')
        throw found(text, "!, identifier, or 'end of string'")
      try {
        requirements.push(this.#requirement())
      } catch (error) {
        if (!(error instanceof LabelSelectorError)) throw error
        throw new LabelSelectorError(
          `unable to parse requirement: ${error.message}`,
        )
      }
      const after = this.#next()
      if (after.kind === 'end') return byKey(requirements)
      if (after.kind !== ',') throw found(after.text, "',' or 'end of string'")
      const following = this.#peek()
      if (!isWord(following.kind) && following.kind !== '!')
        throw found(following.text, "identifier after ','")
    }
  }

  #requirement(): LabelRequirement {
    const negated = this.#peek().kind === '!'
    if (negated) this.#next()
    const key = this.#next()
    if (!isWord(key.kind)) throw found(key.text, 'identifier')
    const wrong = qualifiedKey(key.text)
    if (wrong.length > 0) throw invalid(key.text, wrong)
    if (negated) return { key: key.text, operator: 'DoesNotExist', values: [] }
    const { kind: next } = this.#peek()
    if (next === 'end' || next === ',')
      return { key: key.text, operator: 'Exists', values: [] }

    const operator = this.#next()
    if (!isBinaryOperator(operator.kind))
      throw found(operator.text, operatorWords)
    const values =
      operator.kind === 'in' || operator.kind === 'notin'
        ? this.#values()
        : [this.#value()]
    if (operator.kind === '<' || operator.kind === '>') refuseNoInteger(values)
    for (const value of values) {
      const wrong = validLabelValue(value)
      if (wrong.length > 0)
        throw invalid(value, wrong, `values[0][${key.text}]: `)
    }
    return { key: key.text, operator: operators[operator.kind], values }
  }

  /** `(a,b)`; an empty place is the empty value. */
  #values(): string[] {
    const open = this.#next()
    if (open.kind !== '(')
      throw new LabelSelectorError(`found '${open.text}' expected: '('`)
    const values = new Set<string>()
    let expectsValue = true
    let expected = "',', ')' or identifier"
    for (;;) {
      const token = this.#next()
      if (token.kind === ')') {
        if (expectsValue) values.add('')
        return [...values].sort()
      }
      if (token.kind === ',') {
        if (expectsValue) values.add('')
        expectsValue = true
        expected = "',', or identifier"
      } else if (isWord(token.kind) && expectsValue) {
        values.add(token.text)
        expectsValue = false
        expected = "',' or ')'"
      } else {
        throw found(token.text, expected)
      }
    }
  }

  #value(): string {
    const { kind } = this.#peek()
    if (kind === 'end' || kind === ',') return ''
    const token = this.#next()
    if (isWord(token.kind)) return token.text
    throw found(token.text, 'identifier')
  }

  #peek(): Token {
    // Stryker disable next-line ObjectLiteral,StringLiteral: nobody reads on after the end
    return this.#tokens[this.#position] ?? { kind: 'end', text: '' }
  }

  #next(): Token {
    const token = this.#peek()
    this.#position += 1
    return token
  }
}

/** `in` and `notin` are words like any other where no operator can stand. */
function isWord(kind: Token['kind']): boolean {
  return kind === 'identifier' || kind === 'in' || kind === 'notin'
}

function isBinaryOperator(
  kind: Token['kind'],
): kind is (typeof binaryOperators)[number] {
  return binaryOperators.some(operator => operator === kind)
}

function refuseNoInteger([value = '']: readonly string[]): void {
  if (!isInteger(value))
    throw new LabelSelectorError(
      `values[0]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
    )
}

function byKey(requirements: readonly LabelRequirement[]): LabelSelector {
  return [...requirements].sort((a, b) =>
    a.key < b.key ? -1 : a.key > b.key ? 1 : 0,
  )
}

function found(text: string, expected: string): LabelSelectorError {
  return new LabelSelectorError(`found '${text}', expected: ${expected}`)
}

function invalid(
  value: string,
  problems: readonly string[],
  where = '',
): LabelSelectorError {
  return new LabelSelectorError(
    `${where}Invalid value: ${JSON.stringify(value)}: ${problems.join('; ')}`,
  )
}
