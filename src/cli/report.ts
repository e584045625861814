import { formatFinding, isMistake, type Finding } from '../api/report.ts'
import { logLevels, type LogLevel } from '../util/log-levels.ts'
import type { Context } from './context.ts'
import type { Failure } from '../util/failure.ts'
import { flagsOf, type Input } from './input.ts'
import { remedyHere } from './remedy.ts'

/** Who is told, and for whom a remedy has to be one that can be typed. */
export type Reader = Pick<Context, 'stderr' | 'uid' | 'env'>

/**
 * Tells the person who runs something of mistakes, and of what has no effect. What podfs does in
 * a way of its own (`emulated`) is for `podfs validate`.
 *
 * Whoever starts the same manifests each day knows what podfs does nothing with: until
 * `started` it is only counted, unless all of it is asked for. What an edit brings later is told
 * at once.
 */
export class Report {
  readonly #context: Context
  readonly #tellsWarnings: boolean
  /** undefined: told one by one. */
  #ignored: number | undefined

  constructor(
    context: Context,
    options: { readonly level: LogLevel; readonly verbose: boolean },
  ) {
    this.#context = context
    this.#tellsWarnings =
      logLevels.indexOf(options.level) <= logLevels.indexOf('warn')
    this.#ignored = options.verbose ? undefined : 0
  }

  tell(finding: Finding): void {
    const { treatment, object, fix } = finding
    if (treatment === 'emulated') return
    if (!isMistake(finding) && !this.#tellsWarnings) return
    if (
      this.#ignored !== undefined &&
      treatment === 'ignored' &&
      object !== undefined
    ) {
      this.#ignored++
      return
    }
    const word = isMistake(finding) ? 'error' : 'warning'
    this.#context.stderr.line(`${word}: ${formatFinding(finding)}`)
    if (fix !== undefined)
      this.#context.stderr.line(`  ${remedyHere(fix, this.#context)}`)
  }

  /** Everything has been read; `input` is what `podfs validate` is to be asked of. */
  started(input: Input): void {
    const ignored = this.#ignored ?? 0
    this.#ignored = undefined
    if (ignored === 0) return
    const what =
      ignored === 1
        ? '1 field or object has'
        : `${ignored} fields or objects have`
    this.#context.stderr.line(
      `warning: ${what} no effect here; podfs validate${flagsOf(input)} lists them, as -v does`,
    )
  }
}

/** One line `error: ...` for each thing that is wrong, and where there is a remedy, another one. */
export function tellFailure(to: Reader, failure: Failure): void {
  const { message, further, fix } = failure
  for (const text of [message, ...further]) to.stderr.line(`error: ${text}`)
  if (fix !== undefined) to.stderr.line(`  ${remedyHere(fix, to)}`)
}
