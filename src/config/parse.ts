import { dirname } from 'node:path'
import {
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Node,
} from 'yaml'
import type { Position } from '../api/types.ts'
import { nearest } from '../util/edit-distance.ts'
import { ConfigError, type ConfigMistake } from './errors.ts'
import { settingsShape } from './settings.ts'
import {
  leavesOf,
  mistakeIn,
  withPathsFrom,
  type SettingShape,
} from './shape.ts'
import type { GivenSetting } from './layers.ts'

/**
 * What a podfs.yaml says, with the line of each setting. `file` is where its relative paths
 * begin, and for messages. Throws a ConfigError that names every mistake with line and column.
 */
export function parseSettings(text: string, file: string): GivenSetting[] {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, version: '1.2' })
  const positionAt = (offset: number): Position => {
    const { line, col } = lineCounter.linePos(offset)
    return { path: file, line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const mistakes: ConfigMistake[] = document.errors.map(error => ({
    position: positionAt(error.pos[0]),
    setting: '',
    message: error.message.split('\n')[0]?.replace(/ at line .*$/, '') ?? '',
  }))
  const complain: Complain = (node, setting, message) => {
    mistakes.push({
      position: positionAt(node?.range?.[0] ?? 0),
      setting,
      message,
    })
  }
  if (mistakes.length === 0 && document.contents !== null)
    check(document.contents, settingsShape, '', complain)
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  if (document.contents === null) return []
  return leavesOf(settingsShape).flatMap(({ path, shape }) => {
    const node = document.getIn(path, true) as Node | undefined
    if (node === undefined) return []
    const position = positionAt(node.range?.[0] ?? 0)
    const value = withPathsFrom(dirname(file), shape, node.toJS(document))
    return { path, value, origin: `${file}:${position.line}`, position }
  })
}

type Complain = (
  node: Node | null | undefined,
  setting: string,
  message: string,
) => void

function check(
  node: Node | null,
  shape: SettingShape,
  setting: string,
  complain: Complain,
): void {
  const below = (key: string | number): string =>
    typeof key === 'number'
      ? `${setting}[${key}]`
      : setting === ''
        ? key
        : `${setting}.${key}`
  switch (shape.kind) {
    case 'string': {
      if (!isScalar(node) || typeof node.value !== 'string')
        return complain(node, setting, 'must be a string')
      const mistake = mistakeIn(shape, node.value)
      if (mistake !== undefined)
        complain(node, setting, `${JSON.stringify(node.value)} ${mistake}`)
      return
    }
    case 'boolean':
      if (!isScalar(node) || typeof node.value !== 'boolean')
        complain(node, setting, 'must be true or false')
      return
    case 'list':
      if (!isSeq(node)) return complain(node, setting, 'must be a list')
      node.items.forEach((item, index) =>
        check(item as Node, shape.of, below(index), complain),
      )
      return
    case 'stringMap':
      if (!isMap(node)) return complain(node, setting, 'must be a map')
      for (const { key, value } of node.items)
        check(value as Node, { kind: 'string' }, below(String(key)), complain)
      return
    case 'struct': {
      if (!isMap(node)) return complain(node, setting, 'must be a map')
      const names = Object.keys(shape.fields)
      const mistyped = new Set<string>()
      for (const { key, value } of node.items) {
        const name = String(key)
        const field = Object.hasOwn(shape.fields, name)
          ? shape.fields[name]
          : undefined
        if (field !== undefined) {
          check(value as Node, field, below(name), complain)
          continue
        }
        const meant = nearest(name, names)
        if (meant !== undefined) mistyped.add(meant)
        complain(
          key as Node,
          below(name),
          `no such setting${meant === undefined ? '' : `; did you mean ${below(meant)}?`}`,
        )
      }
      for (const name of shape.required ?? [])
        if (!node.has(name) && !mistyped.has(name))
          complain(node, below(name), 'is required')
      return
    }
  }
}
