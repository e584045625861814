import type { Context } from './context.ts'
import type { Options, ParsedOptions } from './options.ts'

/** One command of the program. */
export interface Command {
  readonly name: string
  readonly summary: string
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
