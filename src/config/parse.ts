import { dirname } from 'node:path'
import type { Position } from '../api/types.ts'
import { readDocuments } from '../api/yaml/documents.ts'
import { positionsIn } from '../api/yaml/positions.ts'
import {
  YamlError,
  type YamlMapping,
  type YamlNode,
  type YamlScalar,
} from '../api/yaml/yaml-node.ts'
import { nearest } from '../util/edit-distance.ts'
import { ConfigError, type ConfigMistake } from './errors.ts'
import { settingsShape } from './settings.ts'
import {
  leavesOf,
  mistakeIn,
  mistakeInNumber,
  withPathsFrom,
  type SettingShape,
} from './setting-shape.ts'
import type { GivenSetting } from './layers.ts'

/**
 * What a podfs.yaml says, with the line of each setting. `file` is where its relative paths
 * begin, and for messages. Throws a ConfigError that names every mistake with line and column.
 */
export function parseSettings(text: string, file: string): GivenSetting[] {
  const positionAt = positionsIn(file, text)
  const root = readRoot(text, positionAt)
  if (root === undefined) return []
  const mistakes: ConfigMistake[] = []
  check(root, settingsShape, '', (node, setting, message) => {
    mistakes.push({ position: positionAt(node.offset), setting, message })
  })
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  return leavesOf(settingsShape).flatMap(({ path, shape }) => {
    const node = nodeAt(root, path)
    if (node === undefined) return []
    const position = positionAt(node.offset)
    const value = withPathsFrom(dirname(file), shape, valueOf(node))
    return { path, value, origin: `${file}:${position.line}`, position }
  })
}

/** The one document; undefined when the file has only comments. */
function readRoot(
  text: string,
  positionAt: (offset: number) => Position,
): YamlNode | undefined {
  const refuse = (offset: number, message: string): ConfigError =>
    new ConfigError([{ position: positionAt(offset), setting: '', message }])
  let root: YamlNode | undefined
  try {
    const documents = readDocuments(text, (offset, problem) => {
      throw refuse(offset, `not YAML: ${problem}`)
    })
    for (const document of documents) {
      if (document === undefined || coreValue(document.root) === null) continue
      if (root !== undefined)
        throw refuse(document.offset, 'only one document is expected')
      root = document.root
    }
  } catch (error) {
    if (!(error instanceof YamlError)) throw error
    throw refuse(error.offset, error.message)
  }
  return root
}

function nodeAt(root: YamlNode, path: readonly string[]): YamlNode | undefined {
  let node: YamlNode | undefined = root
  for (const name of path)
    node = node?.kind === 'mapping' ? valueIn(node, name) : undefined
  return node
}

function valueIn(map: YamlMapping, name: string): YamlNode | undefined {
  return map.pairs.find(({ key }) => textOf(key) === name)?.value
}

function textOf(node: YamlNode): string {
  return node.kind === 'scalar' ? node.text : ''
}

/** Of what has been checked. */
function valueOf(node: YamlNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return coreValue(node)
    case 'sequence':
      return node.items.map(valueOf)
    case 'mapping':
      return Object.fromEntries(
        node.pairs.map(({ key, value }) => [textOf(key), valueOf(value)]),
      )
    case 'alias':
  }
  return undefined
}

/**
 * YAML 1.2's core schema, in which `yes` and `off` are strings. A number is only known to be no
 * string: no setting is one.
 */
function coreValue(
  node: YamlNode,
): string | boolean | number | null | undefined {
  if (node.kind !== 'scalar') return undefined
  const { text, plain } = node satisfies YamlScalar
  if (!plain) return text
  if (/^(|~|null|Null|NULL)$/.test(text)) return null
  if (/^(true|True|TRUE|false|False|FALSE)$/.test(text))
    return text.toLowerCase() === 'true'
  const isNumber =
    /^([-+]?(\d+|\.\d+|\d+\.\d*)([eE][-+]?\d+)?|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$/.test(
      text,
    )
  return isNumber ? Number(text) : text
}

type Complain = (node: YamlNode, setting: string, message: string) => void

function check(
  node: YamlNode,
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
      const text = coreValue(node)
      if (typeof text !== 'string')
        return complain(node, setting, 'must be a string')
      const mistake = mistakeIn(shape, text)
      if (mistake !== undefined)
        complain(node, setting, `${JSON.stringify(text)} ${mistake}`)
      return
    }
    case 'boolean':
      if (typeof coreValue(node) !== 'boolean')
        complain(node, setting, 'must be true or false')
      return
    case 'number': {
      const mistake = mistakeInNumber(shape, coreValue(node))
      if (mistake !== undefined) complain(node, setting, mistake)
      return
    }
    case 'list':
      if (node.kind !== 'sequence')
        return complain(node, setting, 'must be a list')
      node.items.forEach((item, index) =>
        check(item, shape.of, below(index), complain),
      )
      return
    case 'stringMap':
      if (node.kind !== 'mapping')
        return complain(node, setting, 'must be a map')
      for (const { key, value } of node.pairs)
        check(value, { kind: 'string' }, below(textOf(key)), complain)
      return
    case 'struct': {
      if (node.kind !== 'mapping')
        return complain(node, setting, 'must be a map')
      const names = Object.keys(shape.fields)
      const mistyped = new Set<string>()
      const seen = new Set<string>()
      for (const { key, value } of node.pairs) {
        const name = textOf(key)
        if (seen.has(name)) complain(key, below(name), 'is there twice')
        seen.add(name)
        const field = Object.hasOwn(shape.fields, name)
          ? shape.fields[name]
          : undefined
        if (field !== undefined) {
          check(value, field, below(name), complain)
          continue
        }
        const meant = nearest(name, names)
        if (meant !== undefined) mistyped.add(meant)
        complain(
          key,
          below(name),
          `no such setting${meant === undefined ? '' : `; did you mean ${below(meant)}?`}`,
        )
      }
      for (const name of shape.required ?? [])
        if (!seen.has(name) && !mistyped.has(name))
          complain(node, below(name), 'is required')
      return
    }
  }
}
