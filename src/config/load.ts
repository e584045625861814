import { readFile } from 'node:fs/promises'
import path from 'node:path'
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
import {
  defaultSettings,
  settingsShape,
  type Settings,
  type SettingShape,
} from './settings.ts'

/** A configuration that cannot be used; `message` is one line for each mistake. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly mistakes: readonly ConfigMistake[]
  constructor(mistakes: readonly ConfigMistake[]) {
    super(
      mistakes
        .map(({ position: at, setting, message }) =>
          [`${at.path}:${at.line}:${at.column}`, setting, message]
            .filter(part => part !== '')
            .join(': '),
        )
        .join('\n'),
    )
    this.mistakes = mistakes
  }
}

export interface ConfigMistake {
  readonly position: Position
  /** Such as `images[0].pattern`; empty for the file as a whole. */
  readonly setting: string
  readonly message: string
}

/**
 * Reads the first configuration found: `explicit` (--config), $PODFS_CONFIG, ./podfs.yaml,
 * /etc/podfs/podfs.yaml; without any, the defaults. The first two must exist.
 *
 * Throws a ConfigError that names every mistake with line and column, or the error of an
 * explicitly named file that cannot be read.
 */
export async function loadSettings(options: {
  readonly explicit: string | undefined
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
}): Promise<Settings> {
  const named = options.explicit ?? options.env['PODFS_CONFIG']
  if (named !== undefined && named !== '') {
    const file = path.resolve(options.cwd, named)
    return parseSettings(await readFile(file, 'utf8'), named)
  }
  for (const candidate of ['podfs.yaml', '/etc/podfs/podfs.yaml']) {
    try {
      const file = path.resolve(options.cwd, candidate)
      return parseSettings(await readFile(file, 'utf8'), candidate)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return defaultSettings
}

/** `file` is only for messages. Throws a ConfigError. */
export function parseSettings(text: string, file: string): Settings {
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
  return withDefaults((document.toJS() ?? {}) as PartialSettings)
}

type PartialSettings = Omit<Partial<Settings>, 'images'> & {
  images?: readonly (Record<string, unknown> & { pattern: string })[]
}

function withDefaults(given: PartialSettings): Settings {
  return {
    ...defaultSettings,
    ...given,
    fuse: { ...defaultSettings.fuse, ...given.fuse },
    images: (given.images ?? []).map(({ env, ...entry }) => ({
      ...entry,
      ...(env === undefined
        ? {}
        : { env: new Map(Object.entries(env as Record<string, string>)) }),
    })),
  }
}

type Complain = (
  node: Node | null | undefined,
  setting: string,
  message: string,
) => void

function check(
  node: Node,
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
    case 'string':
      if (!isScalar(node) || typeof node.value !== 'string')
        return complain(node, setting, 'must be a string')
      if (shape.oneOf !== undefined && !shape.oneOf.includes(node.value))
        complain(node, setting, `must be one of ${shape.oneOf.join(', ')}`)
      return
    case 'boolean':
      if (!isScalar(node) || typeof node.value !== 'boolean')
        complain(node, setting, 'must be true or false')
      return
    case 'strings':
      return check(
        node,
        { kind: 'list', of: { kind: 'string' } },
        setting,
        complain,
      )
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
        complain(
          key as Node,
          below(name),
          `no such setting${meant === undefined ? '' : `; did you mean ${below(meant)}?`}`,
        )
      }
      for (const name of shape.required ?? [])
        if (!node.has(name)) complain(node, below(name), 'is required')
      return
    }
  }
}
