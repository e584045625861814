import { Cursor, isBlank } from './cursor.ts'
import { EventParser, type YamlEvent } from './event-parser.ts'
import { readJson, skipJsonBlanks } from './json.ts'
import { Budget, maxDepth, tooDeep } from './limits.ts'
import type { Tolerate } from './scalars.ts'
import { Scanner } from './scanner.ts'
import {
  YamlError,
  YamlSyntaxError,
  type YamlDocument,
  type YamlMapping,
  type YamlNode,
  type YamlSequence,
} from './yaml-node.ts'

const byteOrderMark = '\uFEFF'

/** What go-yaml's reader refuses (readerc.go): control characters but for tab and line breaks. */
// oxlint-disable-next-line no-control-regex
const forbidden = /[\0-\x08\v\f\x0e-\x1f\x7f-\x84\x86-\x9f\uFFFE\uFFFF]/g

/**
 * Reads the documents of a manifest file as kubectl does (apimachinery, util/yaml/decoder.go):
 * objects of JSON one after the other, then YAML; lines of `---` divide the YAML before anything
 * is parsed, and each part is parsed on its own, by go-yaml's rules.
 *
 * The work is linear, whatever the text: depth and the number of values are bounded, and aliases
 * are not followed here. Yields a document when it is complete, and undefined where others may
 * work. `tolerate` is told of what kubectl would not have parsed. Throws a YamlError.
 */
export function* readDocuments(
  content: string,
  tolerate: Tolerate,
): Generator<YamlDocument | undefined, void> {
  // kubectl gives each line its break, the last one, too.
  const text = content.endsWith('\n') ? content : `${content}\n`
  const start = text.startsWith(byteOrderMark) ? 1 : 0
  let budget = new Budget()
  let position = start
  if (text.slice(start).trimStart().startsWith('{')) {
    let count = 0
    for (;;) {
      const offset = skipJsonBlanks(text, position)
      if (offset === text.length) return
      const value = yield* readJson(text, offset, budget)
      if (value === undefined) break
      yield { offset, root: value.node }
      count += 1
      position = value.end
    }
    if (count > 1)
      tolerate(
        skipJsonBlanks(text, position),
        'JSON objects one after the other, and then something else',
      )
    if (count === 0) budget = new Budget()
    else position = afterLine(text, position)
  }
  forbidden.lastIndex = position
  const control = forbidden.exec(text)?.index ?? text.length
  for (const [from, end] of partsOf(text, position, tolerate)) {
    if (budget.isPause()) yield undefined
    if (control >= from && control < end)
      throw new YamlSyntaxError(control, 'control characters are not allowed')
    const start = text[from] === byteOrderMark ? from + 1 : from
    const scanner = new Scanner(new Cursor(text, start, end), tolerate)
    yield* composePart(new EventParser(scanner), tolerate, budget)
  }
}

/** White space to Go. */
const blanks =
  /[\t\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*\n?/y

/** After the blanks and the first line break there, if nothing else stands between. */
function afterLine(text: string, position: number): number {
  blanks.lastIndex = position
  blanks.test(text)
  return blanks.lastIndex
}

/**
 * Where the parts between lines of `---` begin and end. Such a line with
 * more than a comment is an error to kubectl; here it belongs to the part that follows, or, like
 * the `-----BEGIN` of a certificate, to the one before.
 */
function* partsOf(
  text: string,
  from: number,
  tolerate: Tolerate,
): Generator<readonly [from: number, end: number]> {
  let start = from
  let line = text.startsWith('---', from) ? from : nextSeparator(text, from)
  while (line !== -1) {
    const lineEnd = text.indexOf('\n', line)
    const next = lineEnd === -1 ? text.length : lineEnd + 1
    const rest = text.slice(line + 3, next).trim()
    if (rest === '' || rest.startsWith('#')) {
      // One with nothing before it is left to the parser.
      if (line > start) {
        yield [start, line]
        start = next
      }
    } else {
      tolerate(line, 'invalid Yaml document separator')
      if (isBlank(text.charCodeAt(line + 3))) {
        yield [start, line]
        start = line
      }
    }
    line = text.startsWith('---', next) ? next : nextSeparator(text, next)
  }
  yield [start, text.length]
}

function nextSeparator(text: string, from: number): number {
  const found = text.indexOf('\n---', from)
  return found === -1 ? -1 : found + 1
}

interface Open {
  readonly node: YamlSequence | YamlMapping
  /** How many values there were before it. */
  readonly before: number
  /** Of the value that comes next, in a mapping. */
  key?: YamlNode | undefined
}

/**
 * The documents of a part. kubectl reads the first one, and does not look at what comes after
 * it; here it is read if it can be.
 */
function* composePart(
  parser: EventParser,
  tolerate: Tolerate,
  budget: Budget,
): Generator<YamlDocument | undefined, void> {
  let count = 0
  try {
    for (const document of compose(parser, budget)) {
      if (document !== undefined) count += 1
      if (document !== undefined && count > 1)
        tolerate(document.offset, 'a second document without a line of ---')
      yield document
    }
  } catch (error) {
    if (!(error instanceof YamlError) || count === 0) throw error
    tolerate(error.offset, error.message)
  }
}

/** Makes trees of events. */
function* compose(
  parser: EventParser,
  budget: Budget,
): Generator<YamlDocument | undefined, void> {
  let open: Open[] = []
  let anchors = new Map<string, YamlNode>()
  let root: YamlNode | undefined
  const add = (node: YamlNode): void => {
    const parent = open.at(-1)
    if (parent?.node.kind === 'mapping' && parent.key === undefined) {
      parent.key = node
      return
    }
    budget.takeValue(node.offset)
    if (parent === undefined) {
      root = node
    } else if (parent.node.kind === 'sequence') {
      parent.node.items.push(node)
    } else if (parent.key !== undefined) {
      parent.node.pairs.push({ key: parent.key, value: node })
      parent.key = undefined
    }
  }
  for (;;) {
    if (budget.isPause()) yield undefined
    const event = parser.next()
    switch (event.kind) {
      case 'streamEnd':
        return
      case 'documentStart':
        open = []
        anchors = new Map()
        break
      case 'documentEnd':
        if (root !== undefined) yield { offset: root.offset, root }
        root = undefined
        break
      case 'end': {
        const ended = open.pop()
        if (ended !== undefined) ended.node.size = budget.values - ended.before
        break
      }
      case 'nothing':
        break
      case 'alias':
      case 'scalar':
      case 'sequence':
      case 'mapping': {
        const node = nodeOf(event, anchors)
        add(node)
        if (event.kind !== 'alias' && event.anchor !== undefined)
          anchors.set(event.anchor, node)
        if (node.kind !== 'sequence' && node.kind !== 'mapping') break
        if (open.length === maxDepth) throw tooDeep(node.offset)
        open.push({ node, before: budget.values })
      }
    }
  }
}

type NodeEvent = Extract<
  YamlEvent,
  { readonly kind: 'alias' | 'scalar' | 'sequence' | 'mapping' }
>

function nodeOf(
  event: NodeEvent,
  anchors: ReadonlyMap<string, YamlNode>,
): YamlNode {
  const { offset } = event
  switch (event.kind) {
    case 'scalar': {
      const { text, plain, tag } = event
      return { kind: 'scalar', offset, text, plain, tag }
    }
    case 'sequence':
      return { kind: 'sequence', offset, items: [], size: 0 }
    case 'mapping':
      return { kind: 'mapping', offset, pairs: [], size: 0 }
    case 'alias':
  }
  const target = anchors.get(event.name)
  if (target === undefined) throw new YamlError(offset, 'unknown anchor')
  return { kind: 'alias', offset, target }
}
