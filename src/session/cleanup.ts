import type { Logger } from '../util/logger.ts'

/**
 * What has been made and must be undone, newest first. Each step runs whatever became of the
 * others, so that one failure leaves as little behind as possible; running it twice does
 * nothing more.
 */
export class Cleanup {
  readonly #steps: { what: string; undo: () => Promise<void> | void }[] = []
  readonly #logger: Logger
  #running: Promise<void> | undefined

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
          this.#logger.error({ err: error, step: step.what }, 'cleanup failed')
        }
    })()
    return this.#running
  }
}
