import type { Logger } from '../../util/logger.ts'
import type { FromShim } from './messages.ts'

type LogMessage = Extract<FromShim, { say: 'log' }>

/** A logger whose lines podfs writes; pino itself would only cost memory here. */
export function forwardingLogger(send: (message: LogMessage) => void): Logger {
  const at =
    (level: LogMessage['level']) =>
    ({ err, ...facts }: Record<string, unknown>, message: string): void =>
      send({
        say: 'log',
        level,
        facts: err === undefined ? facts : { ...facts, err: plainError(err) },
        message,
      })
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  } as unknown as Logger
}

/** Those fields of an Error that would not be sent. */
function plainError(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown
  const { name, message, stack } = thrown
  return { type: name, message, stack }
}
