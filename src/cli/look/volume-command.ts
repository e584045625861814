import { Failure } from '../../util/failure.ts'
import type { Command } from '../command.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import type { Options, ParsedOptions } from '../options.ts'
import { lookOptions } from './look-options.ts'
import type { FoundVolume } from './find-volume.ts'

/** How the volume of an argument can be written. */
const volumeWords = `VOLUME is [NAMESPACE/]POD/VOLUME, as podfs get volumes shows it; [NAMESPACE/]VOLUME for one without a
Pod; or the path at which podfs mount or podfs serve shows it.`

interface VolumeCommand extends Pick<
  Command,
  'name' | 'summary' | 'description' | 'examples'
> {
  /** Of the generation that may follow the volume. */
  readonly generation: 'none' | 'optional' | 'required'
  readonly options?: Options
  /** Prints what is asked for. */
  readonly act: (
    volume: FoundVolume,
    generation: number | undefined,
    context: Context,
    options: ParsedOptions,
  ) => Promise<void>
}

/** A command about one volume, and maybe one of its generations. */
export function volumeCommand(spec: VolumeCommand): Command {
  const { name, generation, act } = spec
  const words = {
    none: 'VOLUME',
    optional: 'VOLUME [GENERATION]',
    required: 'VOLUME GENERATION',
  }[generation]
  return {
    ...spec,
    usage: [`${name} ${words} [-n NAMESPACE]`],
    description: `${spec.description}\n${volumeWords}`,
    options: { ...spec.options, ...lookOptions },
    run: async (context, options) => {
      const [word, number] = options.positionals
      const [least, most] = {
        none: [1, 1],
        optional: [1, 2],
        required: [2, 2],
      }[generation] as [number, number]
      const given = options.positionals.length
      if (word === undefined || given < least || given > most)
        throw needed(name, words)
      const wanted = number === undefined ? undefined : parseGeneration(number)
      const { ApiFailure } = await import('../../client/api-client.ts')
      const { findVolume } = await import('./find-volume.ts')
      const { serverError } = await import('./look-options.ts')
      try {
        const volume = await findVolume(context, options, word)
        await act(volume, wanted, context, options)
        return exitCodes.done
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error
        context.stderr.line(serverError(error))
        return exitCodes.failed
      }
    },
  }
}

function needed(name: string, words: string): Failure {
  return new Failure('usage', `podfs ${name} needs ${words}`, {
    fix: `podfs get volumes -A; podfs ${name} --help`,
  })
}

function parseGeneration(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new Failure('usage', `not a generation: ${text}`, {
    fix: 'a number, as podfs history VOLUME shows it',
  })
}
