import { toUSVString } from 'node:util'
import { checkScalarLength, maxDepth, tooDeep, type Budget } from './limits.ts'
import type {
  YamlMapping,
  YamlNode,
  YamlScalar,
  YamlSequence,
} from './yaml-node.ts'

interface JsonPart<T> {
  readonly node: T
  /** What comes after it. */
  readonly end: number
}

interface Open {
  readonly node: YamlSequence | YamlMapping
  /** How many values there were before it. */
  readonly before: number
  /** Of the value that comes next, in a mapping. */
  key?: YamlScalar
}

const blank = /[ \t\n\r]*/y
const literal =
  /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y
// oxlint-disable-next-line no-control-regex -- JSON has none in a string
const letters = /[^"\\\0-\x1f]*/y

/** Where the next character stands that is no white space in JSON. */
export function skipJsonBlanks(text: string, offset: number): number {
  blank.lastIndex = offset
  blank.test(text)
  return blank.lastIndex
}

/**
 * Reads the value of JSON that begins at an offset, as Go's encoding/json does, and gives it the
 * nodes of a YAML tree. Undefined when it is not JSON: then it may still be YAML. Depth costs no
 * stack of the machine. Yields where others may work.
 */
export function* readJson(
  text: string,
  offset: number,
  budget: Budget,
): Generator<undefined, JsonPart<YamlNode> | undefined> {
  const open: Open[] = []
  let position = offset
  for (;;) {
    position = skipJsonBlanks(text, position)
    budget.takeValue(position)
    if (budget.isPause()) yield undefined
    let value: YamlNode
    const collection = emptyCollection(text, position)
    if (collection !== undefined) {
      if (open.length === maxDepth) throw tooDeep(position)
      position = skipJsonBlanks(text, position + 1)
      if (text[position] !== closer(collection)) {
        const entry: Open = { node: collection, before: budget.values }
        const start = beginEntry(entry, text, position)
        if (start === undefined) return undefined
        open.push(entry)
        position = start
        continue
      }
      value = collection
      position += 1
    } else {
      const scalar = readScalar(text, position)
      if (scalar === undefined) return undefined
      value = scalar.node
      position = scalar.end
    }
    for (;;) {
      const parent = open.at(-1)
      if (parent === undefined) return { node: value, end: position }
      add(parent, value)
      position = skipJsonBlanks(text, position)
      const sign = text[position]
      if (sign === ',') {
        const start = beginEntry(
          parent,
          text,
          skipJsonBlanks(text, position + 1),
        )
        if (start === undefined) return undefined
        position = start
        break
      }
      if (sign !== closer(parent.node)) return undefined
      parent.node.size = budget.values - parent.before
      value = parent.node
      position += 1
      open.pop()
    }
  }
}

function emptyCollection(
  text: string,
  offset: number,
): YamlSequence | YamlMapping | undefined {
  const letter = text[offset]
  if (letter === '[') return { kind: 'sequence', offset, items: [], size: 0 }
  return letter === '{'
    ? { kind: 'mapping', offset, pairs: [], size: 0 }
    : undefined
}

function closer({ kind }: YamlSequence | YamlMapping): string {
  return kind === 'sequence' ? ']' : '}'
}

/** Reads the key of an entry of a mapping; returns where its value begins. */
function beginEntry(
  entry: Open,
  text: string,
  position: number,
): number | undefined {
  if (entry.node.kind === 'sequence') return position
  const key = readString(text, position)
  if (key === undefined) return undefined
  const colon = skipJsonBlanks(text, key.end)
  if (text[colon] !== ':') return undefined
  entry.key = key.node
  return colon + 1
}

function add({ node, key }: Open, value: YamlNode): void {
  if (node.kind === 'sequence') node.items.push(value)
  else if (key !== undefined) node.pairs.push({ key, value })
}

function readScalar(
  text: string,
  offset: number,
): JsonPart<YamlScalar> | undefined {
  if (text[offset] === '"') return readString(text, offset)
  literal.lastIndex = offset
  const found = literal.exec(text)
  if (found === null) return undefined
  return {
    node: scalar(offset, found[0], true),
    end: literal.lastIndex,
  }
}

function readString(
  text: string,
  offset: number,
): JsonPart<YamlScalar> | undefined {
  if (text[offset] !== '"') return undefined
  let end = skipLetters(text, offset + 1)
  const isSimple = text[end] === '"'
  while (text[end] === '\\') {
    end = skipLetters(text, end + 2)
    checkScalarLength(offset, end)
  }
  checkScalarLength(offset, end)
  if (text[end] !== '"') return undefined
  if (isSimple)
    return {
      node: scalar(offset, text.slice(offset + 1, end), false),
      end: end + 1,
    }
  try {
    const value = JSON.parse(text.slice(offset, end + 1)) as string
    // Half of a surrogate pair is U+FFFD to Go.
    return { node: scalar(offset, toUSVString(value), false), end: end + 1 }
  } catch {
    return undefined
  }
}

/** To a quotation mark, a backslash, or what may not be in a string. */
function skipLetters(text: string, offset: number): number {
  letters.lastIndex = offset
  letters.test(text)
  return letters.lastIndex
}

function scalar(offset: number, text: string, plain: boolean): YamlScalar {
  return { kind: 'scalar', offset, text, plain, tag: undefined }
}
