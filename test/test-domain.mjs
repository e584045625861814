/*
 * Stands in for async-hook-domain in the bundles of tests (run.mjs): to which test an error or a
 * rejection that nobody catches belongs. The package is told of the end of every promise, for
 * which Node has the garbage collector watch each: a fifth of what a test that mostly waits costs.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

const current = new AsyncLocalStorage()
const living = new Set()

export class Domain {
  #parent = current.getStore()
  #tell

  /** For what begins where it is made. */
  constructor(tell) {
    this.#tell = tell
    if (living.size === 0) listen()
    living.add(this)
    current.enterWith(this)
  }

  get onerror() {
    return this.#tell
  }

  /** What is not over yet is its parent's. */
  destroy() {
    living.delete(this)
    if (living.size === 0) stopListening()
  }

  static now() {
    let domain = current.getStore()
    while (domain !== undefined && !living.has(domain)) domain = domain.#parent
    return domain
  }
}

const emit = process.emit.bind(process)

function listen() {
  process.on('uncaughtExceptionMonitor', handle)
  // A listener would make it a handled one for everybody.
  process.emit = (event, ...args) =>
    event === 'unhandledRejection' && process.listenerCount(event) === 0
      ? handle(args[0], event, true)
      : emit(event, ...args)
}

function stopListening() {
  process.off('uncaughtExceptionMonitor', handle)
  process.emit = emit
}

/** Whether it is a test's; not where somebody has a handler of his own. */
function handle(error, origin, isRejection = false) {
  if (
    process.hasUncaughtExceptionCaptureCallback() ||
    process.listenerCount('uncaughtException') > 0
  )
    return false
  const domain = Domain.now()
  if (domain === undefined) return false
  domain.onerror(error, origin)
  // Node has asked whether somebody would take it before it told of it.
  if (!isRejection)
    process.setUncaughtExceptionCaptureCallback(() =>
      process.setUncaughtExceptionCaptureCallback(null),
    )
  return true
}
