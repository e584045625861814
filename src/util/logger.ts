import type { LogLevel } from './log-levels.ts'
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino'

/** Constant messages, changing facts as fields. Secret data never goes in. */
export type Logger = PinoLogger

const WAITING_BYTES = 64 * 1024

/**
 * A logger on stderr: readable lines on a terminal, one JSON object a line otherwise.
 * It writes synchronously, so that the last line before an exit is not lost.
 */
export async function createLogger(options: {
  readonly level: LogLevel
  readonly terminal: boolean
  readonly colour: boolean
  readonly fd?: number
}): Promise<Logger> {
  const fd = options.fd ?? 2
  const destination: DestinationStream = options.terminal
    ? (await import('pino-pretty')).default({
        destination: fd,
        sync: true,
        colorize: options.colour,
        singleLine: true,
        // A Kubernetes event reads as a sentence.
        messageFormat: '{msg}{if reason} {reason}: {message}{end}',
        ignore: 'pid,hostname,reason,message',
        translateTime: 'SYS:HH:MM:ss.l',
      })
    : logFile(fd)
  return pino(
    {
      level: options.level,
      // The second fence: nobody should log these, and if somebody does, they stay hidden.
      redact: ['data', 'stringData', 'binaryData', 'token', '*.data', 'env'],
    },
    destination,
  )
}

/**
 * A log on a full disk is no reason to end: what cannot be written waits, up to a limit, for the
 * next line.
 */
function logFile(fd: number): DestinationStream {
  const file = pino.destination({ fd, sync: true, maxLength: WAITING_BYTES })
  file.on('error', () => undefined)
  return file
}

/** For tests and for callers that have nothing to say. */
export const silentLogger: Logger = pino({ level: 'silent' })
