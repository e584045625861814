import { goQuote } from '../../../api/go-quote.ts'
import type { JsonObject } from '../../../api/json.ts'
import { Failure } from '../../../util/failure.ts'
import { FunctionError, functions } from './functions.ts'
import { formatValue } from './go-format.ts'
import { isMap, isSlice, isTrue, kindOf, type GoValue } from './go-value.ts'
import {
  parseTemplate,
  type Command,
  type Node,
  type Operand,
  type Pipe,
} from './parse.ts'

/**
 * A template of Go's text/template that is ready to print objects, as `kubectl get -o
 * go-template=` does. Throws a usage Failure for one that is wrong; the function throws a
 * Failure when an object does not fit.
 */
export function parseGoTemplate(
  template: string,
): (object: JsonObject) => string {
  const nodes = parseTemplate(template)
  return object => new Execution(template, object).run(nodes)
}

type Leave = 'break' | 'continue' | undefined

class Execution {
  readonly #template: string
  readonly #root: JsonObject
  /** Of two with the same name the later one counts. */
  readonly #variables: { readonly name: string; value: GoValue }[]
  #output = ''

  constructor(template: string, root: JsonObject) {
    this.#template = template
    this.#root = root
    this.#variables = [{ name: '$', value: root }]
  }

  run(nodes: readonly Node[]): string {
    this.#walk(nodes, this.#root)
    return this.#output
  }

  #walk(nodes: readonly Node[], dot: GoValue): Leave {
    for (const node of nodes) {
      const leave = this.#node(node, dot)
      if (leave !== undefined) return leave
    }
    return undefined
  }

  #node(node: Node, dot: GoValue): Leave {
    switch (node.kind) {
      case 'text':
        this.#output += node.text
        return undefined
      case 'action': {
        const value = this.#pipe(node.pipe, dot)
        if (node.pipe.variables.length === 0)
          this.#output +=
            kindOf(value) === 'nil' ? '<no value>' : formatValue(value)
        return undefined
      }
      case 'break':
      case 'continue':
        return node.kind
      case 'if':
      case 'with':
      case 'range':
    }
    const known = this.#variables.length
    const leave =
      node.kind === 'range' ? this.#range(node, dot) : this.#branch(node, dot)
    this.#variables.length = known
    return leave
  }

  #branch(
    {
      kind,
      pipe,
      body,
      otherwise,
    }: Extract<Node, { pipe: Pipe; body: unknown }>,
    dot: GoValue,
  ): Leave {
    const value = this.#pipe(pipe, dot)
    if (isTrue(value)) return this.#walk(body, kind === 'with' ? value : dot)
    return this.#walk(otherwise, dot)
  }

  #range(
    { pipe, body, otherwise }: Extract<Node, { pipe: Pipe; body: unknown }>,
    dot: GoValue,
  ): Leave {
    const value = this.#commands(pipe, dot)
    const entries = this.#entries(value, pipe)
    if (entries.length === 0) return this.#walk(otherwise, dot)
    const known = this.#variables.length
    for (const [key, each] of entries) {
      const values = pipe.variables.length === 1 ? [each] : [key, each]
      for (const [i, name] of pipe.variables.entries())
        this.#set(name, values[i], pipe.isAssignment)
      const leave = this.#walk(body, each)
      this.#variables.length = known
      if (leave === 'break') break
    }
    return undefined
  }

  #entries(
    value: GoValue,
    pipe: Pipe,
  ): readonly (readonly [GoValue, GoValue])[] {
    if (isSlice(value)) return [...value.entries()]
    if (isMap(value))
      return Object.keys(value)
        .sort()
        .map(key => [key, value[key]])
    if (kindOf(value) === 'nil') return []
    const [first = pipe] = pipe.commands.at(-1)?.operands ?? []
    throw this.#error(first, `range can't iterate over ${formatValue(value)}`)
  }

  #pipe(pipe: Pipe, dot: GoValue): GoValue {
    const value = this.#commands(pipe, dot)
    for (const name of pipe.variables) this.#set(name, value, pipe.isAssignment)
    return value
  }

  #commands({ commands }: Pipe, dot: GoValue): GoValue {
    let last: readonly GoValue[] = []
    for (const command of commands) last = [this.#command(command, dot, last)]
    return last[0]
  }

  #set(name: string, value: GoValue, isAssignment: boolean): void {
    const known = isAssignment
      ? this.#variables.findLast(variable => variable.name === name)
      : undefined
    if (known === undefined) this.#variables.push({ name, value })
    else known.value = value
  }

  /** `piped`: what the command before it gave, its last argument. */
  #command(command: Command, dot: GoValue, piped: readonly GoValue[]): GoValue {
    const [first, ...rest] = command.operands
    if (first.kind === 'function')
      return this.#call(first.name, command, {
        args: rest.map(operand => () => this.#operand(operand, dot)),
        piped,
      })
    if (first.kind === 'nil') throw this.#error(first, 'nil is not a command')
    if (rest.length > 0 || piped.length > 0) {
      const last = 'names' in first ? first.names.at(-1) : undefined
      throw this.#error(
        first,
        last === undefined
          ? `can't give argument to non-function ${first.text}`
          : `${last} is not a method but has arguments`,
      )
    }
    return this.#operand(first, dot)
  }

  #operand(operand: Operand, dot: GoValue): GoValue {
    switch (operand.kind) {
      case 'dot':
        return dot
      case 'nil':
        return null
      case 'constant':
        return operand.value
      case 'function':
        return this.#call(operand.name, operand, { args: [], piped: [] })
      case 'field':
        return this.#fields(dot, operand.names, operand)
      case 'variable': {
        const variable = this.#variables.findLast(
          ({ name }) => name === operand.name,
        )
        return this.#fields(variable?.value, operand.names, operand)
      }
      case 'pipe':
    }
    const value = this.#pipe(operand.pipe, dot)
    return this.#fields(value, operand.names, operand)
  }

  #fields(value: GoValue, names: readonly string[], operand: Operand): GoValue {
    let current = value
    for (const name of names) {
      // What is not there has nothing in it, either.
      if (current === undefined) return undefined
      if (current === null)
        throw this.#error(
          operand,
          `nil pointer evaluating interface {}.${name}`,
        )
      if (!isMap(current))
        throw this.#error(
          operand,
          `can't evaluate field ${name} in type interface {}`,
        )
      current = Object.hasOwn(current, name) ? current[name] : undefined
    }
    return current
  }

  #call(
    name: string,
    place: Command | Operand,
    given: {
      /** Each is looked at when its turn has come. */
      readonly args: readonly (() => GoValue)[]
      readonly piped: readonly GoValue[]
    },
  ): GoValue {
    const count = given.args.length + given.piped.length
    const all = [...given.args, ...given.piped.map(value => () => value)]
    const isAnd = name === 'and'
    const { least, most, call } =
      isAnd || name === 'or'
        ? { least: 1, most: undefined, call: undefined }
        : { most: undefined, ...functions[name] }
    if (count < (least ?? 0) || count > (most ?? Infinity))
      throw this.#error(
        place,
        `wrong number of args for ${name}: want ${most === undefined ? 'at least ' : ''}${least} got ${count}`,
      )
    if (call === undefined) {
      let value: GoValue
      for (const next of all) {
        value = next()
        if (isTrue(value) !== isAnd) break
      }
      return value
    }
    try {
      return call(...all.map(next => next()))
    } catch (error) {
      if (!(error instanceof FunctionError)) throw error
      throw this.#error(place, `error calling ${name}: ${error.message}`)
    }
  }

  #error(
    { at, text }: { readonly at: number; readonly text: string },
    what: string,
  ): Failure {
    const before = this.#template.slice(0, at)
    const line = before.split('\n').length
    const column = Buffer.byteLength(before.slice(before.lastIndexOf('\n') + 1))
    return new Failure(
      'failed',
      `error executing template ${goQuote(this.#template)}: template: output:${line}:${column}: executing "output" at <${text}>: ${what}`,
    )
  }
}
