import { closeSync, openSync, readSync } from 'node:fs'
import path from 'node:path'
import { maxSmallFileBytes, tooLargeWords } from '../util/read-bounded.ts'
import { scalarLeaves, variableOf } from './environment.ts'
import { ConfigError, type ConfigMistake } from './errors.ts'
import { layOver, type EffectiveSettings, type GivenSetting } from './layers.ts'
import { settingsShape } from './settings.ts'
import { leavesOf, valueOfWord } from './setting-shape.ts'
import { errorCode } from '../util/error-code.ts'

export interface LoadOptions {
  /** --config. */
  readonly explicit: string | undefined
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  /** An ordinary user has a configuration of their own. */
  readonly uid: number
  /** What flags say. They win. */
  readonly flags?: readonly SettingFlag[]
}

/** A setting (`fuse.answerOpens`), and the flag that gives it: a word, or a list as in the file. */
export interface SettingFlag {
  readonly setting: string
  readonly flag: string
  readonly word: string | readonly unknown[]
}

/**
 * The effective settings: defaults, then the first configuration file found (`explicit`,
 * $PODFS_CONFIG, ./podfs.yaml, an ordinary user's ~/.config/podfs/podfs.yaml,
 * /etc/podfs/podfs.yaml; the first two must exist), then PODFS_* variables, then flags.
 *
 * Throws a ConfigError that names every mistake of the first of these that has one, or the
 * error of an explicitly named file that cannot be read.
 */
export async function loadSettings(
  options: LoadOptions,
): Promise<EffectiveSettings> {
  const file = readFirst(options)
  return layOver([
    ...(file === undefined ? [] : await parse(file.text, file.name)),
    ...fromEnvironment(options.env),
    ...fromFlags(options.flags ?? []),
  ])
}

/** Most starts find no file, and need no YAML before their mount is on its way. */
async function parse(text: string, name: string): Promise<GivenSetting[]> {
  const { parseSettings } = await import('./parse.ts')
  return parseSettings(text, name)
}

function readFirst(
  options: LoadOptions,
): { readonly name: string; readonly text: string } | undefined {
  const { explicit, env, cwd, uid } = options
  const read = (name: string) => {
    const file = path.resolve(cwd, name)
    try {
      return { name, text: readSmall(file, name) }
    } catch (error) {
      // Node names none when it could open it but not read it: a directory.
      throw Object.assign(error as Error, { path: file })
    }
  }
  const named = explicit ?? env['PODFS_CONFIG']
  if (named !== undefined && named !== '') return read(named)
  const own = path.join(
    env['XDG_CONFIG_HOME'] ?? path.join(env['HOME'] ?? '/', '.config'),
    'podfs/podfs.yaml',
  )
  const candidates = [
    'podfs.yaml',
    ...(uid === 0 ? [] : [own]),
    '/etc/podfs/podfs.yaml',
  ]
  for (const candidate of candidates) {
    try {
      return read(candidate)
    } catch (error) {
      const code = errorCode(error)
      // $HOME may still be that of whoever became this user.
      const isElsewhere = candidate === own && code === 'EACCES'
      if (code !== 'ENOENT' && !isElsewhere) throw error
    }
  }
  return undefined
}

/** Throws a ConfigError for what is larger than any configuration. */
function readSmall(file: string, name: string): string {
  const descriptor = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(maxSmallFileBytes + 1)
    let size = 0
    for (let read = -1; read !== 0 && size < bytes.length; size += read)
      read = readSync(descriptor, bytes, size, bytes.length - size, null)
    if (size <= maxSmallFileBytes) return bytes.toString('utf8', 0, size)
    throw new ConfigError([
      {
        position: { path: name, line: 1, column: 1 },
        setting: '',
        message: tooLargeWords({ size: undefined }, maxSmallFileBytes),
      },
    ])
  } finally {
    closeSync(descriptor)
  }
}

/** An empty variable is none, as with $PODFS_CONFIG. */
function fromEnvironment(env: NodeJS.ProcessEnv): GivenSetting[] {
  return fromWords(
    scalarLeaves().flatMap(({ path }) => {
      const variable = variableOf(path)
      const word = env[variable]
      if (word === undefined || word === '') return []
      return { setting: path.join('.'), origin: variable, word }
    }),
  )
}

function fromFlags(flags: NonNullable<LoadOptions['flags']>): GivenSetting[] {
  return fromWords(
    flags.map(({ setting, flag, word }) => ({ setting, origin: flag, word })),
  )
}

function fromWords(
  words: readonly {
    readonly setting: string
    readonly origin: string
    readonly word: string | readonly unknown[]
  }[],
): GivenSetting[] {
  const leaves = leavesOf(settingsShape)
  const given: GivenSetting[] = []
  const mistakes: ConfigMistake[] = []
  for (const { setting, origin, word } of words) {
    const leaf = leaves.find(({ path }) => path.join('.') === setting)
    if (leaf === undefined) throw new TypeError(`no setting ${setting}`)
    const result =
      typeof word === 'string' ? valueOfWord(leaf.shape, word) : { value: word }
    if ('mistake' in result)
      mistakes.push({
        setting: `${origin} ${String(word)}`,
        message: result.mistake,
      })
    else given.push({ path: leaf.path, value: result.value, origin })
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  return given
}
