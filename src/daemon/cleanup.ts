import type { Logger } from '../util/logger.ts'
import { explainedFailure } from './machine-failure.ts'
import type { Places } from './places.ts'

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

/** Starts something that fails as a whole: what it had made until then is undone. */
export async function startOrUndo<T>(
  { logger, places }: { readonly logger: Logger; readonly places: Places },
  start: (cleanup: Cleanup) => Promise<T>,
): Promise<T> {
  const cleanup = new Cleanup(logger)
  try {
    return await start(cleanup)
  } catch (error) {
    await cleanup.run()
    throw await explainedFailure(error, places)
  }
}
