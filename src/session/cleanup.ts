import { MountError } from '../linux/mount-error.ts'
import type { Logger } from '../util/logger.ts'
import { asFailure } from './failures.ts'

/**
 * What has been made and must be undone, newest first. Each step runs whatever became of the
 * others, so that one failure leaves as little behind as possible; running it twice does
 * nothing more.
 */
export class Cleanup {
  readonly #steps: { what: string; undo: () => Promise<void> | void }[] = []
  readonly #logger: Logger
  #running: Promise<void> | undefined
  #isToBeThrown = false
  /** The first one; what follows from it is no news. */
  #toBeMended: MountError | undefined

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(what: string, undo: () => Promise<void> | void): void {
    this.#steps.push({ what, undo })
  }

  run(): Promise<void> {
    this.#running ??= (async () => {
      for (let step = this.#steps.pop(); step; step = this.#steps.pop())
        try {
          await step.undo()
        } catch (error) {
          if (this.#isToBeThrown && isMendable(error))
            this.#toBeMended ??= error
          else
            this.#logger.error(
              { err: error, step: step.what },
              'cleanup failed',
            )
        }
    })()
    return this.#running
  }

  /**
   * As `run`, for the end of podfs: throws a Failure, when everything has been tried, if something
   * could not be undone for want of what somebody can type.
   */
  async end(): Promise<void> {
    this.#isToBeThrown = true
    await this.run()
    if (this.#toBeMended !== undefined) throw asFailure(this.#toBeMended)
  }
}

function isMendable(error: unknown): error is MountError {
  return error instanceof MountError && error.fix !== undefined
}
