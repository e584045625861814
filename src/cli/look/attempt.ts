import { ApiFailure } from '../../client/api-client.ts'
import type { Context } from '../context.ts'
import { serverError } from './look-options.ts'

/**
 * One of several things to do: what the API has against it is told on stderr, as kubectl does, and
 * keeps none of the others from being done. Gives whether it was done.
 */
export async function attempt(
  { stderr }: Pick<Context, 'stderr'>,
  work: () => Promise<void>,
): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error
    stderr.line(serverError(error))
    return false
  }
}
