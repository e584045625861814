import { parseArgs } from 'node:util'
import { backendChoices, networkChoices } from '../config/settings.ts'
import { nearest } from '../util/edit-distance.ts'
import { Failure } from '../util/failure.ts'
import { parseGoDuration } from '../util/go-duration.ts'
import { logLevels } from '../util/log-levels.ts'
import { hasCode } from '../util/error-code.ts'

/** One flag of one command; the help text is made from these. */
export interface Option {
  readonly short?: string
  /** The word for the value in the help text; a flag without one takes no value. */
  readonly value?: string
  /** What the flag alone means; a value then follows only after `=`, as in `--dry-run=client`. */
  readonly bare?: string
  readonly repeatable?: boolean
  /** Its value is a path: an empty one is an unset variable, not the working directory. */
  readonly isPath?: boolean
  /** For the shell's completion, where there are only some values. */
  readonly choices?: readonly string[]
  readonly help: string
}

export type Options = Readonly<Record<string, Option>>

/** Flags that mean the same in every command that has them. */
export const commonOptions = {
  config: { value: 'FILE', isPath: true, help: 'read this podfs.yaml' },
  'log-level': {
    value: 'LEVEL',
    choices: logLevels,
    help: 'trace, debug, info, warn, error or silent',
  },
  help: { short: 'h', help: 'print this help' },
} as const satisfies Options

export const sourceOptions = {
  filename: {
    short: 'f',
    value: 'PATH',
    repeatable: true,
    isPath: true,
    help: 'a manifest file, a directory of them, or - for standard input, read once',
  },
  kustomize: {
    short: 'k',
    value: 'DIR',
    repeatable: true,
    isPath: true,
    help: 'a directory with a kustomization.yaml: kubectl or kustomize renders it, anew when a file of it changes',
  },
  helm: {
    value: 'CHART',
    repeatable: true,
    isPath: true,
    help: 'a chart, a directory or .tgz: helm renders it, anew when a file of it changes',
  },
  values: {
    value: 'FILE',
    repeatable: true,
    isPath: true,
    help: 'a values file for --helm; the last one wins',
  },
  namespace: {
    short: 'n',
    value: 'NAMESPACE',
    help: "the namespace of objects that name none, and of what is asked for (default 'default')",
  },
} as const satisfies Options

export const jsonOption = {
  output: { short: 'o', value: 'FORMAT', choices: ['json'], help: 'json' },
} as const satisfies Options

export const backendOption = {
  backend: {
    value: 'NAME',
    choices: backendChoices,
    help: 'where volumes are published: fuse (the default), fuse-native, dir, or auto',
  },
} as const satisfies Options

export const networkOption = {
  network: {
    value: 'NAME',
    choices: networkChoices,
    help: 'whose network a Pod has: host (the default), or pod, one of its own',
  },
} as const satisfies Options

export const verboseOption = {
  verbose: {
    short: 'v',
    help: 'list what of the input has no effect, one by one',
  },
} as const satisfies Options

export interface ParsedOptions {
  readonly positionals: readonly string[]
  flag(name: string): boolean
  /** Throws when it was given more than once. */
  value(name: string): string | undefined
  values(name: string): readonly string[]
}

/**
 * Reads a command's arguments. Several paths may follow one -f, as kubectl's users type
 * `-f a.yaml -f b.yaml` and shells expand `-f *.yaml`; those land in the positionals, and
 * the command decides.
 *
 * Throws a usage Failure that names the nearest flag.
 */
export function parseOptions(
  argv: readonly string[],
  options: Options,
): ParsedOptions {
  const { values, positionals } = parse(argv, options)
  const all = (name: string): readonly string[] => {
    const value = values[name]
    return Array.isArray(value) ? value.map(String) : []
  }
  for (const [name, { isPath, value }] of Object.entries(options))
    if (isPath === true && all(name).includes(''))
      throw new Failure('usage', `--${name} needs a ${value}`)
  return {
    positionals,
    flag: name => values[name] === true,
    values: all,
    value: name => {
      const given = all(name)
      if (given.length > 1)
        throw new Failure('usage', `--${name} was given ${given.length} times`)
      return given[0]
    },
  }
}

function parse(
  argv: readonly string[],
  options: Options,
): { values: Record<string, unknown>; positionals: string[] } {
  try {
    return parseArgs({
      args: normalized(argv, options),
      allowPositionals: true,
      options: Object.fromEntries(
        Object.entries(options).map(([name, { short, value }]) => [
          name,
          {
            type: value === undefined ? 'boolean' : 'string',
            // Each value is kept, so that a flag given twice can be refused, not lost.
            multiple: value !== undefined,
            ...(short === undefined ? {} : { short }),
          } as const,
        ]),
      ),
    })
  } catch (error) {
    const { message } = error as Error
    if (hasCode(error, 'ERR_PARSE_ARGS_UNKNOWN_OPTION')) {
      const given = /'(--?[^'=]+)/.exec(message)?.[1] ?? ''
      const meant = nearest(given.replace(/^-+/, ''), Object.keys(options))
      throw new Failure('usage', `unknown flag ${given}`, {
        cause: error,
        ...(meant === undefined ? {} : { fix: `did you mean --${meant}?` }),
      })
    }
    const [, missing, how] =
      /--(\S+)(?: <value>)?' argument (missing|is ambiguous)/.exec(message) ??
      []
    if (missing !== undefined) {
      const value = options[missing]?.value ?? 'value'
      throw new Failure('usage', `--${missing} needs a ${value}`, {
        cause: error,
        ...(how === 'missing'
          ? {}
          : { fix: `if it begins with a dash: --${missing}=${value}` }),
      })
    }
    throw new Failure(
      'usage',
      message.replace(/\. To specify .*$/s, '').replace(/\.$/, ''),
      { cause: error },
    )
  }
}

/**
 * kubectl's ways to write a flag that parseArgs does not know: `-o=yaml`, `--flag=true`,
 * `--flag=false`, `--flag -1`, and a flag whose value may be left out.
 */
function normalized(argv: readonly string[], options: Options): string[] {
  const end = argv.indexOf('--')
  const flags = end === -1 ? argv : argv.slice(0, end)
  const words: string[] = []
  for (const word of flags) {
    const before = words.at(-1)
    // A number is no flag: `--tail -1`.
    if (
      before !== undefined &&
      /^-\d+$/.test(word) &&
      takesValue(before, options)
    )
      words.splice(-1, 1, `${before}=${word}`)
    else words.push(...normalizedFlag(word, options))
  }
  return [...words, ...argv.slice(flags.length)]
}

/** `--NAME` with a value that is not in the same word. */
function takesValue(word: string, options: Options): boolean {
  const name = word.slice(2)
  return (
    word.startsWith('--') &&
    Object.hasOwn(options, name) &&
    options[name]?.value !== undefined
  )
}

function normalizedFlag(word: string, options: Options): string[] {
  const [, short, rest = ''] = /^-([a-z])=(.*)$/s.exec(word) ?? []
  if (short !== undefined) return [`-${short}${rest}`]
  const [, name = '', given] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? []
  const option = Object.hasOwn(options, name) ? options[name] : undefined
  if (option === undefined) return [word]
  if (given === undefined)
    return [option.bare === undefined ? word : `--${name}=${option.bare}`]
  if (option.value !== undefined) return [word]
  if (given === 'true') return [`--${name}`]
  return given === 'false' ? [] : [word]
}

/** The same for arguments that are paths, `what` they are. Throws a usage Failure. */
export function refuseEmpty(words: readonly string[], what: string): void {
  if (words.includes(''))
    throw new Failure('usage', `an argument is empty where a ${what} is meant`)
}

/** Milliseconds; undefined where the flag is not given. Throws a usage Failure. */
export function durationIn(
  options: ParsedOptions,
  name: string,
): number | undefined {
  const given = options.value(name)
  if (given === undefined) return undefined
  const ms = parseGoDuration(given)
  if (ms !== undefined) return ms
  throw new Failure('usage', `--${name}: not a duration: ${given}`, {
    fix: 'such as 30s, 2m or 1h',
  })
}

/** Of a command with `jsonOption`. Throws a usage Failure for another format. */
export function wantsJson(options: ParsedOptions): boolean {
  const format = options.value('output')
  if (format !== undefined && format !== 'json')
    throw new Failure('usage', `-o ${format}: the only format is json`)
  return format === 'json'
}
