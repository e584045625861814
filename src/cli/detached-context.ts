import { openDetachedLog } from '../session/detach.ts'
import { placesOf } from '../session/places.ts'
import type { Context } from './context.ts'
import { outputTo } from './output.ts'

/**
 * The world of the process that `mount --detach` leaves behind, or undefined in any other:
 * what it says goes to its starter's terminal until it is ready, and to its log always.
 */
export function detachedContext(context: Context): Context | undefined {
  const log = openDetachedLog(placesOf(context.env, context.uid).runtime)
  if (log === undefined) return undefined
  return {
    ...context,
    stderr: outputTo({ write: text => log.say(String(text)) }),
    stdout: outputTo({ write: () => {} }),
    logFd: log.fd,
    stderrIsTerminal: false,
    colour: false,
    detachedReady: log.ready,
  }
}
