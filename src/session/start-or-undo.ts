import type { Logger } from '../util/logger.ts'
import { Cleanup } from './cleanup.ts'
import { explainedFailure } from './machine-failure.ts'
import type { Places } from './places.ts'

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
