import type { Position } from '../api/types.ts'
import { isMergeKey, keyText } from '../api/yaml/to-value.ts'
import {
  YamlError,
  type YamlDocument,
  type YamlMapping,
  type YamlNode,
} from '../api/yaml/yaml-node.ts'

interface Place {
  readonly offset: number
  readonly node: YamlNode
}

/**
 * Where a field stands: its key, or the item of a list; for a field that is not in the file,
 * its nearest parent. Aliases and merge keys are followed to where the text is.
 *
 * Field paths are looked up only when something is to be said, so that a good file costs
 * nothing.
 */
export function fieldPositions(
  { root, offset }: YamlDocument,
  toPosition: (offset: number) => Position,
): (fieldPath: string) => Position {
  const indices = new Map<YamlMapping, ReadonlyMap<string, Place>>()
  return fieldPath => {
    let place: Place = { offset, node: root }
    for (const segment of segmentsOf(fieldPath)) {
      const found = step(place.node, segment, indices)
      if (found === undefined) break
      place = found
    }
    return toPosition(place.offset)
  }
}

/** `spec.volumes[0].name` -> spec, volumes, 0, name; `data[a.b]` -> data, a.b */
function segmentsOf(fieldPath: string): string[] {
  const segments: string[] = []
  for (const match of fieldPath.matchAll(/\[([^\]]*)\]|([^.[]+)/g)) {
    segments.push(match[1] ?? match[2] ?? '')
  }
  return segments
}

type Indices = Map<YamlMapping, ReadonlyMap<string, Place>>

function step(
  node: YamlNode,
  segment: string,
  indices: Indices,
): Place | undefined {
  const target = node.kind === 'alias' ? node.target : node
  if (target.kind === 'mapping') return indexOf(target, indices).get(segment)
  if (target.kind !== 'sequence') return undefined
  const item = target.items[Number(segment)]
  return item && { offset: item.offset, node: item }
}

/** Of equal keys, and of what is merged, the last one counts, as in the value. */
function indexOf(
  map: YamlMapping,
  indices: Indices,
): ReadonlyMap<string, Place> {
  const known = indices.get(map)
  if (known !== undefined) return known
  const index = new Map<string, Place>()
  // One that contains itself ends here.
  indices.set(map, index)
  for (const { key, value } of map.pairs) {
    if (isMergeKey(key)) {
      for (const merged of mergedMaps(value))
        for (const [name, place] of indexOf(merged, indices))
          index.set(name, place)
    } else {
      const name = textOf(key)
      if (name !== undefined)
        index.set(name, { offset: key.offset, node: value })
    }
  }
  return index
}

/** Undefined for what is no key in JSON. */
function textOf(key: YamlNode): string | undefined {
  try {
    return keyText(key)
  } catch (error) {
    if (error instanceof YamlError) return undefined
    throw error
  }
}

/** In the order in which they are laid over each other. */
function mergedMaps(node: YamlNode): readonly YamlMapping[] {
  const target = node.kind === 'alias' ? node.target : node
  if (target.kind === 'mapping') return [target]
  return target.kind === 'sequence'
    ? target.items.toReversed().flatMap(mergedMaps)
    : []
}
