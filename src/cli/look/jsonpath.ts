import type { Json, JsonObject } from '../../api/json.ts'
import { Failure } from '../../util/failure.ts'

/*
 * kubectl's dialect of JSONPath (client-go, util/jsonpath): a text with expressions in braces,
 * `{range}` and `{end}`, and values printed side by side. The JSONPath libraries of npm speak
 * RFC 9535 or Goessner's, neither of which has these.
 */

type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'path'; readonly steps: readonly Step[] }
  | {
      readonly kind: 'range'
      readonly steps: readonly Step[]
      readonly body: readonly Node[]
    }

type Step =
  | { readonly kind: 'root' }
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'wildcard' }
  | { readonly kind: 'recursive' }
  | { readonly kind: 'union'; readonly steps: readonly Step[] }
  | {
      readonly kind: 'slice'
      readonly from: number | undefined
      readonly to: number | undefined
      readonly by: number
      readonly isIndex: boolean
    }
  | {
      readonly kind: 'filter'
      readonly left: Operand
      readonly operator: Operator | undefined
      readonly right: Operand | undefined
    }

type Operand = { readonly value: Json } | { readonly steps: readonly Step[] }
type Operator = '==' | '!=' | '<=' | '>=' | '<' | '>'

/** A template that is ready to print objects. Throws a usage Failure for one that is wrong. */
export function parseJsonPath(
  template: string,
): (object: JsonObject) => string {
  const text =
    /^\s*\{/.test(template) || template.includes('{')
      ? template
      : // `-o jsonpath=.items` without braces, too.
        `{${template.startsWith('.') || template.startsWith('$') || template.startsWith('[') ? '' : '.'}${template}}`
  const nodes = new Parser(text).template()
  return object => print(nodes, object, object)
}

/**
 * A path as --sort-by and custom columns take it: `metadata.name`, `.metadata.name`, or the
 * same in braces (RelaxedJSONPathExpression of kubectl). Gives what is there. Throws a usage
 * Failure.
 */
export function parseFieldPath(text: string): FieldPath {
  const [, inBraces, bare] = /^\{\.?([^{}]+)\}$|^\.?([^{}]+)$/.exec(text) ?? []
  const path = inBraces ?? bare
  if (path === undefined)
    throw new Failure(
      'usage',
      "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'",
    )
  const written = `{${path.startsWith('[') ? '' : '.'}${path}}`
  const nodes = new Parser(written).template()
  return {
    text: written,
    find: object =>
      nodes.flatMap(node =>
        node.kind === 'path' ? walk(node.steps, object, object) : [],
      ),
  }
}

export interface FieldPath {
  /** As kubectl shows it: `{.metadata.name}`. */
  readonly text: string
  readonly find: (object: JsonObject) => readonly Json[]
}

class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  template(): readonly Node[] {
    const { nodes, ended } = this.#nodes()
    if (ended) throw this.#error('{end} without {range}')
    return nodes
  }

  #nodes(): { nodes: readonly Node[]; ended: boolean } {
    const nodes: Node[] = []
    while (this.#at < this.#text.length) {
      const open = this.#text.indexOf('{', this.#at)
      const end = open === -1 ? this.#text.length : open
      if (end > this.#at)
        nodes.push({ kind: 'text', text: this.#text.slice(this.#at, end) })
      if (open === -1) {
        this.#at = end
        break
      }
      this.#at = open + 1
      if (this.#action(nodes)) return { nodes, ended: true }
    }
    return { nodes, ended: false }
  }

  /** What stands between braces. True at `{end}`. */
  #action(nodes: Node[]): boolean {
    for (;;) {
      this.#space()
      const character = this.#text[this.#at]
      if (character === undefined) throw this.#error('unclosed action')
      if (character === '}') {
        this.#at++
        return false
      }
      if (character === '"' || character === "'") {
        nodes.push({ kind: 'text', text: this.#string() })
        continue
      }
      const word = /^(range|end)(?![A-Za-z0-9_])/.exec(
        this.#text.slice(this.#at),
      )?.[1]
      if (word === 'end') {
        this.#at += 3
        this.#space()
        this.#expect('}')
        return true
      }
      if (word === 'range') {
        this.#at += 5
        this.#space()
        const steps = this.#path()
        this.#space()
        this.#expect('}')
        const { nodes: body, ended } = this.#nodes()
        if (!ended) throw this.#error('{range} without {end}')
        nodes.push({ kind: 'range', steps, body })
        return false
      }
      const number = /^-?\d+(\.\d+)?/.exec(this.#text.slice(this.#at))?.[0]
      if (number !== undefined) {
        this.#at += number.length
        nodes.push({ kind: 'text', text: number })
        continue
      }
      nodes.push({ kind: 'path', steps: this.#path() })
    }
  }

  #path(): readonly Step[] {
    const steps: Step[] = []
    for (;;) {
      const character = this.#text[this.#at]
      if (character === '$' || character === '@') {
        this.#at++
        if (character === '$') steps.push({ kind: 'root' })
        else if (steps.length > 0) throw this.#error('unexpected @')
        // `@` alone is the current object.
        else steps.push({ kind: 'union', steps: [] })
      } else if (character === '.') {
        this.#at++
        if (this.#text[this.#at] === '.') {
          this.#at++
          steps.push({ kind: 'recursive' })
        }
        if (this.#text[this.#at] === '[') continue
        this.#field(steps)
      } else if (character === '[') {
        this.#at++
        steps.push(this.#brackets())
      } else if (steps.length === 0 && /[A-Za-z_*]/.test(character ?? '')) {
        this.#field(steps)
      } else if (steps.length === 0) {
        throw this.#error(`unrecognized character ${JSON.stringify(character)}`)
      } else {
        return steps
      }
    }
  }

  /** A name up to the next separator; a backslash takes the next character as it is. */
  #field(steps: Step[]): void {
    if (this.#text[this.#at] === '*') {
      this.#at++
      steps.push({ kind: 'wildcard' })
      return
    }
    const name = /^(?:\\.|[^\s.[\](){}'"@$,:=!<>|?*])+/.exec(
      this.#text.slice(this.#at),
    )?.[0]
    // `{.}` is the object itself.
    if (name === undefined) return
    this.#at += name.length
    steps.push({ kind: 'field', name: name.replaceAll(/\\(.)/g, '$1') })
  }

  #brackets(): Step {
    this.#space()
    if (this.#text.startsWith('?(', this.#at)) {
      this.#at += 2
      const left = this.#operand()
      this.#space()
      const operator = /^(==|!=|<=|>=|<|>)/.exec(
        this.#text.slice(this.#at),
      )?.[1] as Operator | undefined
      this.#at += operator?.length ?? 0
      const right = operator === undefined ? undefined : this.#operand()
      this.#space()
      this.#expect(')')
      this.#expect(']')
      return { kind: 'filter', left, operator, right }
    }
    const steps: Step[] = []
    for (;;) {
      steps.push(this.#subscript())
      this.#space()
      if (this.#text[this.#at] !== ',') break
      this.#at++
    }
    this.#expect(']')
    const [only] = steps
    return steps.length === 1 && only !== undefined
      ? only
      : { kind: 'union', steps }
  }

  #subscript(): Step {
    this.#space()
    const character = this.#text[this.#at]
    if (character === '*') {
      this.#at++
      return { kind: 'wildcard' }
    }
    if (character === '"' || character === "'")
      return { kind: 'field', name: this.#string() }
    const match = /^(-?\d+)?(?:(:)(-?\d+)?(?::(-?\d+)?)?)?/.exec(
      this.#text.slice(this.#at),
    )
    const [all = '', from, colon, to, by] = match ?? []
    if (all === '') throw this.#error('invalid array index')
    this.#at += all.length
    const number = (text: string | undefined) =>
      text === undefined ? undefined : Number(text)
    return {
      kind: 'slice',
      from: number(from),
      to: number(to),
      by: number(by) ?? 1,
      isIndex: colon === undefined,
    }
  }

  #operand(): Operand {
    this.#space()
    const character = this.#text[this.#at]
    if (character === '"' || character === "'") return { value: this.#string() }
    const literal = /^(?:true|false|null|-?\d+(?:\.\d+)?)(?![\w.])/.exec(
      this.#text.slice(this.#at),
    )?.[0]
    if (literal === undefined) return { steps: this.#path() }
    this.#at += literal.length
    return { value: JSON.parse(literal) as Json }
  }

  /** With Go's escapes. */
  #string(): string {
    const quote = this.#text[this.#at]
    let text = ''
    for (this.#at++; ; this.#at++) {
      const character = this.#text[this.#at]
      if (character === undefined) throw this.#error('unterminated string')
      if (character === quote) break
      if (character === '\\') {
        this.#at++
        const next = this.#text[this.#at] ?? ''
        text += escapes[next] ?? next
      } else text += character
    }
    this.#at++
    return text
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++
  }

  #expect(character: string): void {
    if (this.#text[this.#at] !== character)
      throw this.#error(`expected ${character}`)
    this.#at++
  }

  #error(what: string): Failure {
    return new Failure(
      'usage',
      `error parsing jsonpath ${this.#text}, ${what} at character ${this.#at + 1}`,
    )
  }
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
}

function print(nodes: readonly Node[], current: Json, root: Json): string {
  return nodes
    .map(node => {
      switch (node.kind) {
        case 'text':
          return node.text
        case 'range':
          return walk(node.steps, current, root)
            .map(each => print(node.body, each, root))
            .join('')
        case 'path':
      }
      return walk(node.steps, current, root).map(show).join(' ')
    })
    .join('')
}

function show(value: Json): string {
  if (typeof value === 'string') return value
  // Go's json.Marshal keeps a browser from taking it for HTML.
  return JSON.stringify(sorted(value)).replaceAll(
    /[<>&\u2028\u2029]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Go marshals a map with its keys in order. */
export function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value as JsonObject)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  )
}

function walk(
  steps: readonly Step[],
  current: Json,
  root: Json,
): readonly Json[] {
  let values: readonly Json[] = [current]
  for (const step of steps)
    values = values.flatMap(value => take(step, value, root))
  return values
}

function take(step: Step, value: Json, root: Json): readonly Json[] {
  switch (step.kind) {
    case 'root':
      return [root]
    case 'field':
      return isObject(value) && Object.hasOwn(value, step.name)
        ? [value[step.name] as Json]
        : []
    case 'wildcard':
      return children(value)
    case 'recursive':
      return [value, ...descendants(value)]
    case 'union':
      return step.steps.length === 0
        ? [value]
        : step.steps.flatMap(each => take(each, value, root))
    case 'slice':
      return Array.isArray(value) ? slice(step, value as readonly Json[]) : []
    case 'filter':
  }
  return children(value).filter(each => matches(step, each, root))
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The values of an object in the order of its keys. */
function children(value: Json): readonly Json[] {
  if (Array.isArray(value)) return value as readonly Json[]
  return isObject(value) ? Object.values(sorted(value) as JsonObject) : []
}

function descendants(value: Json): readonly Json[] {
  return children(value).flatMap(child => [child, ...descendants(child)])
}

function slice(
  { from, to, by, isIndex }: Extract<Step, { kind: 'slice' }>,
  list: readonly Json[],
): readonly Json[] {
  const position = (index: number): number =>
    index < 0 ? index + list.length : index
  if (isIndex) {
    const at = position(from ?? 0)
    if (at >= 0 && at < list.length) return [list[at] as Json]
    throw new Failure(
      'usage',
      `error executing jsonpath: array index out of bounds: index ${from}, length ${list.length}`,
    )
  }
  return list
    .slice(position(from ?? 0), position(to ?? list.length))
    .filter((_, i) => i % Math.max(by, 1) === 0)
}

function matches(
  { left, operator, right }: Extract<Step, { kind: 'filter' }>,
  value: Json,
  root: Json,
): boolean {
  const valueOf = (operand: Operand): Json | undefined =>
    'value' in operand ? operand.value : walk(operand.steps, value, root)[0]
  const a = valueOf(left)
  if (operator === undefined || right === undefined) return a !== undefined
  const b = valueOf(right)
  if (a === undefined || b === undefined || a === null || b === null)
    return false
  switch (operator) {
    case '==':
      return a === b
    case '!=':
      return a !== b
    case '<':
      return a < b
    case '<=':
      return a <= b
    case '>':
      return a > b
    case '>=':
  }
  return a >= b
}
