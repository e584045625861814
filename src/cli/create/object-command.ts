import { Failure } from '../../util/failure.ts'
import type { Command } from '../command.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { commonOptions, type Options, type ParsedOptions } from '../options.ts'
import { formats, type Identity, type NewObject } from './new-object.ts'

const sharedOptions = {
  namespace: {
    short: 'n',
    value: 'NAMESPACE',
    help: 'the namespace to write into it (none: it goes where it is read)',
  },
  output: {
    short: 'o',
    value: 'FORMAT',
    choices: formats,
    help: `${formats.join(', ')} (default yaml)`,
  },
  save: {
    value: 'DIR',
    isPath: true,
    help: 'write it to DIR/NAME-KIND.yaml and print that path instead',
  },
  'append-hash': { help: 'append a hash of the data to the name' },
  'save-config': { help: "add the annotation that 'kubectl apply' reads" },
  'dry-run': {
    value: 'client',
    bare: 'client',
    help: 'what podfs does in any case, for commands written for kubectl',
  },
  help: commonOptions.help,
} as const satisfies Options

/** A command of `podfs create`: everything but how the object is filled. */
export interface ObjectCommand extends Omit<Command, 'run'> {
  readonly make: (
    identity: Identity,
    options: ParsedOptions,
    context: Context,
  ) => Promise<NewObject>
}

export function objectCommand({ make, ...command }: ObjectCommand): Command {
  return {
    ...command,
    options: { ...command.options, ...sharedOptions },
    run: async (context, options) => {
      const format = formatOf(options)
      refuseServer(options.value('dry-run'))
      const directory = options.value('save')
      if (directory !== undefined && format === 'name')
        throw new Failure('usage', '--save writes a manifest: -o yaml or json')
      const object = await make(identityOf(options), options, context)
      if (options.flag('append-hash')) object.appendHash()
      if (options.flag('save-config')) object.saveConfig()
      const { problemsOf } = await import('./problems-of.ts')
      const problems = problemsOf(object)
      if (directory === undefined || format === 'name') {
        for (const problem of problems)
          context.stderr.line(`warning: ${problem}`)
        context.stdout.raw(object.print(format))
        return exitCodes.done
      }
      const [problem] = problems
      if (problem !== undefined) throw new Failure('failed', problem)
      const { saveManifest } = await import('./save.ts')
      const saved = await saveManifest(object, format, directory, context.cwd)
      // For a script.
      context.stdout.raw(`${saved}\n`)
      return exitCodes.done
    },
  }
}

function identityOf(options: ParsedOptions): Identity {
  const [name, ...more] = options.positionals
  if (name === undefined || more.length > 0)
    throw new Failure(
      'usage',
      `exactly one NAME is required, got ${options.positionals.length}`,
    )
  if (name === '') throw new Failure('usage', 'name must be specified')
  return { name, namespace: options.value('namespace') || undefined }
}

function formatOf(options: ParsedOptions): (typeof formats)[number] {
  const given = options.value('output') ?? 'yaml'
  const format = formats.find(format => format === given)
  if (format !== undefined) return format
  throw new Failure(
    'usage',
    `-o ${given}: must be one of ${formats.join(', ')}`,
  )
}

function refuseServer(dryRun: string | undefined): void {
  if (dryRun === undefined || dryRun === 'client') return
  throw new Failure(
    'usage',
    dryRun === 'server' || dryRun === 'none'
      ? `--dry-run=${dryRun}: podfs has no API server to send it to`
      : `Invalid dry-run value (${dryRun}). Must be "client"`,
    { fix: '--dry-run=client' },
  )
}
