import { decodeBase64 } from '../decode/base64.ts'
import { resolveInteger, resolvePlainScalar } from '../go-yaml-scalar.ts'
import type { Value } from '../value.ts'
import { goFloat32 } from './go-float32.ts'
import { Budget, maxDepth, tooDeep } from './limits.ts'
import {
  YamlError,
  type YamlAlias,
  type YamlMapping,
  type YamlNode,
  type YamlScalar,
  type YamlSequence,
} from './yaml-node.ts'

/** Is told of a key that stands twice in one mapping; the later one counts. */
export type OnDuplicate = (key: string, offset: number, earlier: number) => void

/**
 * A tree as a plain value, read as kubectl reads it (go-yaml v2's decode.go, and
 * sigs.k8s.io/yaml): merge keys, aliases, scalars that are keys; of equal keys, and of what is
 * merged, the last one in the file counts. Work that aliases multiply is bounded as there.
 * Yields where others may work. Throws a YamlError.
 */
export function* toValue(
  root: YamlNode,
  onDuplicate: OnDuplicate,
): Generator<undefined, Value> {
  return yield* new Converter(onDuplicate).convert(root)
}

type Work<T> = Generator<undefined, T>

class Converter {
  readonly #budget = new Budget()
  readonly #onDuplicate: OnDuplicate
  /** Aliases that are being followed, to see one whose anchor contains it. */
  readonly #followed = new Set<YamlAlias>()
  /** Mappings whose keys were told already: aliases lead to them again. */
  readonly #told = new Set<YamlMapping>()
  // The document counts, too.
  #count = 1
  #aliased = 0
  #depth = 0

  constructor(onDuplicate: OnDuplicate) {
    this.#onDuplicate = onDuplicate
  }

  *convert(node: YamlNode): Work<Value> {
    this.#tally(node)
    if (this.#budget.isPause()) yield undefined
    switch (node.kind) {
      case 'scalar':
        return scalarValue(node)
      case 'alias':
        this.#enter(node)
        return this.#leave(node, yield* this.convert(node.target))
      case 'sequence':
        return yield* this.#list(node)
      case 'mapping':
    }
    const result = new Map<string, Value>()
    yield* this.#fill(node, result)
    return result
  }

  *#list(node: YamlSequence): Work<readonly Value[]> {
    this.#deeper(node)
    const list: Value[] = []
    for (const item of node.items) list.push(yield* this.convert(item))
    this.#depth -= 1
    return list
  }

  /** decode.go, unmarshal: how much of the work may come of aliases. */
  #tally(node: YamlNode): void {
    this.#count += 1
    if (this.#followed.size === 0) return
    this.#aliased += 1
    if (
      this.#aliased > 100 &&
      this.#count > 1000 &&
      this.#aliased / this.#count > allowedAliasRatio(this.#count)
    )
      throw new YamlError(
        [...this.#followed][0]?.offset ?? node.offset,
        'the document contains excessive aliasing',
      )
  }

  #enter(alias: YamlAlias): void {
    if (this.#followed.has(alias))
      throw new YamlError(alias.offset, 'an anchor must not contain itself')
    this.#followed.add(alias)
  }

  #leave<T>(alias: YamlAlias, result: T): T {
    this.#followed.delete(alias)
    return result
  }

  #deeper({ offset }: YamlNode): void {
    if (this.#depth === maxDepth) throw tooDeep(offset)
    this.#depth += 1
  }

  *#fill(map: YamlMapping, into: Map<string, Value>): Work<void> {
    this.#deeper(map)
    const wasEmpty = into.size === 0
    let merges = 0
    for (const { key, value } of map.pairs) {
      if (isMergeKey(key)) {
        merges += 1
        yield* this.#merge(value, into)
      } else {
        this.#tally(key)
        into.set(keyText(key), yield* this.convert(value))
      }
    }
    this.#depth -= 1
    // Without merges, as many as the mapping has, or some of its keys are equal.
    if (!wasEmpty || merges > 0 || into.size < map.pairs.length)
      this.#tellDuplicates(map)
  }

  /** Of several merged maps the first wins, so it comes last. */
  *#merge(node: YamlNode, into: Map<string, Value>): Work<void> {
    const nodes = node.kind === 'sequence' ? node.items.toReversed() : [node]
    for (const item of nodes) yield* this.#mergeOne(item, into)
  }

  *#mergeOne(node: YamlNode, into: Map<string, Value>): Work<void> {
    const target = node.kind === 'alias' ? node.target : node
    if (target.kind !== 'mapping')
      throw new YamlError(
        node.offset,
        'map merge requires map or sequence of maps as the value',
      )
    this.#tally(node)
    if (node.kind !== 'alias') return yield* this.#fill(target, into)
    this.#enter(node)
    this.#tally(target)
    return this.#leave(node, yield* this.#fill(target, into))
  }

  #tellDuplicates(map: YamlMapping): void {
    if (this.#told.has(map)) return
    this.#told.add(map)
    const places = new Map<string, number>()
    for (const { key } of map.pairs) {
      if (isMergeKey(key)) continue
      const name = keyText(key)
      const earlier = places.get(name)
      if (earlier !== undefined) this.#onDuplicate(name, key.offset, earlier)
      places.set(name, key.offset)
    }
  }
}

/** 99 % in small documents, 10 % in large ones. */
function allowedAliasRatio(count: number): number {
  const [low, high] = [400_000, 4_000_000]
  if (count <= low) return 0.99
  if (count >= high) return 0.1
  return 0.99 - (0.89 * (count - low)) / (high - low)
}

export function isMergeKey(node: YamlNode): boolean {
  return (
    node.kind === 'scalar' &&
    node.text === '<<' &&
    (node.plain || node.tag === `${core}merge`)
  )
}

/** The text of a mapping's key; a number or a boolean as sigs.k8s.io/yaml prints it. */
export function keyText(node: YamlNode): string {
  const target = node.kind === 'alias' ? node.target : node
  const fault = (what: string): YamlError =>
    new YamlError(node.offset, `a key must be a string, not ${what}`)
  if (target.kind !== 'scalar') throw fault('a list or mapping')
  const value = scalarValue(target)
  if (value === null) throw fault('null')
  if (typeof value !== 'number') return String(value)
  const whole = resolveInteger(target.text)
  if (whole === undefined) return goFloat32(value)
  if (whole >= 2n ** 63n) throw fault('a number of more than 63 bits')
  return String(whole)
}

const core = 'tag:yaml.org,2002:'

function scalarValue(node: YamlScalar): null | boolean | number | string {
  const { text, plain, tag, offset } = node
  if (tag === undefined) {
    if (!plain) return text
    const value = resolvePlainScalar(text)
    if (typeof value !== 'number' || Number.isFinite(value)) return value
    throw new YamlError(offset, `${text} is no number in JSON`)
  }
  const name = tag.startsWith(core) ? tag.slice(core.length) : ''
  if (name === 'binary') {
    const decoded = decodeBase64(text)
    if ('bytes' in decoded) return Buffer.from(decoded.bytes).toString()
    throw new YamlError(offset, '!!binary value contains invalid base64 data')
  }
  const isOfType = typed[name]
  // Any other tag, `!!str` and `!` included, leaves the text as it is.
  if (isOfType === undefined) return text
  const value = resolvePlainScalar(text)
  if (isOfType(value, text)) return value
  // The value may be a Secret's.
  throw new YamlError(offset, `cannot decode this value as a !!${name}`)
}

/** The tags by which go-yaml resolves a scalar, even one in quotes (resolve.go). */
const typed: Readonly<
  Record<string, (value: unknown, text: string) => boolean>
> = {
  int: (_, text) => resolveInteger(text) !== undefined,
  float: value => typeof value === 'number' && Number.isFinite(value),
  bool: value => typeof value === 'boolean',
  null: value => value === null,
}
