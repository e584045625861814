import {
  isAlias,
  isMap,
  isSeq,
  type Document,
  type LineCounter,
  type Node,
  type Pair,
} from 'yaml'
import type { Position } from '../api/types.ts'
import { asNode, isMergeKey, keyText, offsetOf } from './yaml-value.ts'

/**
 * Where a field stands: its key, or the item of a list; for a field that is not in the file,
 * its nearest parent. Aliases and merge keys are followed to where the text is.
 *
 * Field paths are looked up only when something is to be said, so that a good file costs
 * nothing.
 */
export function fieldPositions(
  document: Document.Parsed,
  toPosition: (offset: number) => Position,
): (fieldPath: string) => Position {
  return fieldPath => {
    let node: Node | null = document.contents
    let offset = node === null ? (document.range[0] ?? 0) : offsetOf(node)
    for (const segment of segmentsOf(fieldPath)) {
      const found = step(node, segment, document)
      if (found === undefined) break
      offset = found.offset
      node = found.node
    }
    return toPosition(offset)
  }
}

export function positionsIn(
  path: string,
  lines: LineCounter,
): (offset: number) => Position {
  return offset => {
    const { line, col } = lines.linePos(offset)
    // An empty file has no lines in the library's eyes.
    return { path, line: Math.max(line, 1), column: Math.max(col, 1) }
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

function step(
  node: Node | null,
  segment: string,
  document: Document.Parsed,
): { readonly offset: number; readonly node: Node | null } | undefined {
  const target = isAlias(node) ? node.resolve(document) : node
  if (isSeq(target)) {
    const item = asNode(target.items[Number(segment)])
    return item === null ? undefined : { offset: offsetOf(item), node: item }
  }
  if (!isMap(target)) return undefined
  const merged: Node[] = []
  for (const pair of target.items) {
    const key = asNode(pair.key)
    if (isMergeKey(key)) {
      merged.push(...mergedMaps(pair, document))
    } else if (keyText(key, document, target) === segment) {
      return { offset: offsetOf(key ?? target), node: asNode(pair.value) }
    }
  }
  for (const map of merged) {
    const found = step(map, segment, document)
    if (found !== undefined) return found
  }
  return undefined
}

function mergedMaps(pair: Pair, document: Document.Parsed): Node[] {
  const value = asNode(pair.value)
  const target = isAlias(value) ? value.resolve(document) : value
  if (isSeq(target)) {
    return target.items.flatMap(item => asNode(item) ?? [])
  }
  return target ? [target] : []
}
