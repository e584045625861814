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
  if (json)
    context.stdout.raw(`${JSON.stringify(given.map(asEntry), null, 2)}\n`)
  else {
    const { settingsYaml } = await import('./settings-yaml.ts')
    context.stdout.raw(settingsYaml(given))
  }
  return exitCodes.done
}

function asEntry({ path, value, origin }: GivenSetting): object {
  return { setting: path.join('.'), value, origin }
}
