import { stringify } from 'yaml'
import type { GivenSetting } from '../config/layers.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { jsonOption, wantsJson, type ParsedOptions } from './options.ts'
import {
  serveOptions,
  serveSettings,
  warnOfStrayVariables,
} from './serve-settings.ts'
import { visible, visibleJson } from '../util/visible.ts'

export const configCommand: Command = {
  name: 'config',
  summary: 'print the configuration that is in effect',
  usage: ['config view [-o json] [FLAGS OF SERVE]'],
  description: `Prints every setting with its value and, as a comment, who gave it: default, a line of
podfs.yaml, a PODFS_* variable or a flag. What it prints is a podfs.yaml. With the flags of a
podfs serve it prints what would count there.`,
  examples: [
    { comment: 'what counts here', line: 'podfs config view' },
    {
      comment: 'a variable wins over the file, a flag over both',
      line: 'PODFS_BACKEND=dir podfs config view --log-level debug',
    },
    {
      comment: 'what would count for a podfs serve with these flags',
      line: 'podfs config view -f k8s/ --root /tmp/podfs --run all',
    },
  ],
  options: { ...jsonOption, ...serveOptions },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const json = wantsJson(options)
  const [word, ...others] = options.positionals
  const hasPaths = options.values('filename').length > 0
  if (word !== 'view' || (others.length > 0 && !hasPaths))
    throw new Failure(
      'usage',
      word === undefined || word === 'view'
        ? 'config takes one word'
        : `unknown command "config ${word}"`,
      { fix: 'podfs config view' },
    )
  warnOfStrayVariables(context)
  const { given } = await serveSettings(context, options, others)
  // A podfs.yaml.
  context.stdout.raw(
    json ? `${JSON.stringify(given.map(asEntry), null, 2)}\n` : asYaml(given),
  )
  return exitCodes.done
}

function asEntry({ path, value, origin }: GivenSetting): object {
  return { setting: path.join('.'), value, origin }
}

/** Each setting's origin stands behind its first line. */
function asYaml(given: readonly GivenSetting[]): string {
  const lines: { text: string; origin?: string }[] = []
  let open: readonly string[] = []
  for (const { path, value, origin } of given) {
    const parents = path.slice(0, -1)
    for (const [depth, name] of parents.entries())
      if (open[depth] !== name)
        lines.push({ text: `${'  '.repeat(depth)}${name}:` })
    open = parents
    const [first = '', ...rest] = visibleYaml({
      [path.at(-1) as string]: value,
    })
      .trimEnd()
      .split('\n')
      .map(line => `${'  '.repeat(parents.length)}${line}`)
    lines.push({ text: first, origin }, ...rest.map(text => ({ text })))
  }
  const width = Math.max(
    ...lines.map(({ text, origin }) =>
      origin === undefined ? 0 : text.length,
    ),
  )
  return lines
    .map(({ text, origin }) =>
      origin === undefined
        ? `${text}\n`
        : `${text.padEnd(width)}  # ${visible(origin)}\n`,
    )
    .join('')
}

/**
 * Each text on one line, behind which the comment stands. What acts on a terminal is escaped in
 * double quotes, which say the same.
 */
function visibleYaml(value: unknown): string {
  const options = {
    lineWidth: 0,
    blockQuote: false,
    doubleQuotedMinMultiLineLength: Infinity,
  } as const
  const yaml = stringify(value, options)
  if (visibleJson(yaml) === yaml) return yaml
  return visibleJson(
    stringify(value, { ...options, defaultStringType: 'QUOTE_DOUBLE' }),
  )
}
