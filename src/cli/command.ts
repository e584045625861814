import type { Context } from './context.ts'
import type { Options, ParsedOptions } from './options.ts'

interface Named {
  readonly name: string
  readonly aliases?: readonly string[]
  readonly summary: string
}

/** One command of the program. */
export interface Command extends Named {
  /** Each way to call it, without `podfs`. */
  readonly usage: readonly string[]
  readonly description?: string
  readonly examples: readonly {
    readonly comment: string
    readonly line: string
  }[]
  readonly options: Options
  /** Resolves with the exit code; throws a Failure for the person at the terminal. */
  run(context: Context, options: ParsedOptions): Promise<number>
}

/** A word that only goes before commands, such as `create`. */
export interface CommandGroup extends Named {
  readonly commands: readonly (Command | CommandGroup)[]
}
