import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Document,
  type Node,
  type Pair,
  type YAMLMap,
} from 'yaml'
import type { Value } from '../api/value.ts'
import { resolvePlainScalar } from '../api/go-yaml-scalar.ts'

/** Something that YAML allows and Kubernetes does not, and where it stands. */
export class YamlValueError extends Error {
  readonly offset: number
  readonly fix: string | undefined

  constructor(offset: number, message: string, fix?: string) {
    super(message)
    this.name = 'YamlValueError'
    this.offset = offset
    this.fix = fix
  }
}

/** More than any manifest, less than what makes a machine swap (`billion laughs`). */
const maxNodes = 1_000_000

/**
 * The nodes of a document as a plain value, read as kubectl reads them: merge keys, aliases,
 * scalars that are keys. A duplicate key is an error (the API server's strict mode).
 *
 * The document must have been parsed with the `failsafe` schema: each scalar still a string.
 */
export function toValue(document: Document.Parsed): Value {
  const converter = new Converter(document)
  return document.contents === null
    ? null
    : converter.convert(document.contents)
}

class Converter {
  readonly #document: Document.Parsed
  /** Anchored nodes that are being converted, to see one that contains itself. */
  readonly #open = new Set<Node>()
  #count = 0

  constructor(document: Document.Parsed) {
    this.#document = document
  }

  convert(node: Node | null): Value {
    if (node === null) return null
    if (++this.#count > maxNodes) {
      throw new YamlValueError(
        offsetOf(node),
        'too many values in one document',
      )
    }
    if (isAlias(node)) return this.#convertAnchored(this.#resolve(node), node)
    if (isScalar(node)) return scalarValue(node.value, node.type, node)
    if (isSeq(node)) {
      return node.items.map(item => this.convert(asNode(item)))
    }
    if (isMap(node)) return this.#convertMap(node)
    throw new YamlValueError(offsetOf(node), 'unexpected YAML')
  }

  #resolve(node: Node): Node {
    const target = isAlias(node) ? node.resolve(this.#document) : node
    if (target === undefined) {
      throw new YamlValueError(offsetOf(node), 'unknown anchor')
    }
    return target
  }

  #convertAnchored(target: Node, alias: Node): Value {
    if (this.#open.has(target)) {
      throw new YamlValueError(
        offsetOf(alias),
        'an anchor must not contain itself',
      )
    }
    return this.convert(target)
  }

  #convertMap(map: YAMLMap): Value {
    this.#open.add(map)
    const result = new Map<string, Value>()
    const merges: Node[] = []
    for (const pair of map.items) {
      const keyNode = asNode(pair.key)
      if (isMergeKey(keyNode)) {
        merges.push(asNode(pair.value) ?? (keyNode as Node))
        continue
      }
      const key = keyText(keyNode, this.#document, map)
      if (result.has(key)) {
        throw new YamlValueError(
          offsetOf(keyNode ?? map),
          `duplicate field ${JSON.stringify(key)}`,
          'keep one of the two',
        )
      }
      result.set(key, this.convert(asNode(pair.value)))
    }
    for (const merge of merges) this.#merge(merge, result)
    this.#open.delete(map)
    return result
  }

  /** What is already there wins; of several merged maps the first. */
  #merge(node: Node, into: Map<string, Value>): void {
    const target = this.#resolve(node)
    const maps = isSeq(target)
      ? target.items.map(item => this.#resolve(asNode(item) ?? target))
      : [target]
    for (const map of maps) {
      if (!isMap(map)) {
        throw new YamlValueError(
          offsetOf(node),
          'map merge requires map or sequence of maps as the value',
        )
      }
      const merged = this.#convertAnchored(map, node)
      for (const [key, value] of merged as ReadonlyMap<string, Value>) {
        if (!into.has(key)) into.set(key, value)
      }
    }
  }
}

export function isMergeKey(node: Node | null): boolean {
  return isScalar(node) && node.type === 'PLAIN' && node.value === '<<'
}

/** The text of a mapping's key; a number or a boolean as JSON would print it. */
export function keyText(
  node: Node | null,
  document: Document.Parsed,
  parent: Node,
): string {
  const target = isAlias(node) ? (node.resolve(document) ?? null) : node
  if (!isScalar(target)) {
    throw new YamlValueError(
      offsetOf(target ?? parent),
      'a key must be a string, not a list or mapping',
    )
  }
  const value = scalarValue(target.value, target.type, target)
  if (value === null) {
    throw new YamlValueError(
      offsetOf(target),
      'a key must be a string, not null',
    )
  }
  return String(value)
}

function scalarValue(
  value: unknown,
  type: string | undefined,
  node: Node,
): null | boolean | number | string {
  const text = typeof value === 'string' ? value : ''
  const tag = node.tag
  // !!binary, which the library has decoded already.
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  const number =
    tag === 'tag:yaml.org,2002:int' || tag === 'tag:yaml.org,2002:float'
  const core =
    number ||
    tag === 'tag:yaml.org,2002:bool' ||
    tag === 'tag:yaml.org,2002:null'
  // Any other tag, `!!str` and `!` included, leaves the text as it is.
  if (!core && (type !== 'PLAIN' || tag !== undefined)) {
    // A missing value is a plain scalar without a source.
    return type === undefined && tag === undefined && text === '' ? null : text
  }
  const resolved = resolvePlainScalar(text)
  if (typeof resolved === 'number' && !Number.isFinite(resolved)) {
    throw new YamlValueError(offsetOf(node), `${text} is no number in JSON`)
  }
  return resolved
}

export function asNode(node: Pair['key']): Node | null {
  return (node ?? null) as Node | null
}

export function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0
}
