import { styleText } from 'node:util'
import type { LogLevel } from './log-levels.ts'
import { visible, visibleJson } from './visible.ts'
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino'

/** Constant messages, changing facts as fields. Secret data never goes in. */
export type Logger = PinoLogger

const WAITING_BYTES = 64 * 1024

/**
 * A logger on stderr, or on `fd`: one readable line for each record, in a file as on a terminal,
 * since what podfs says to people stands among them. It writes synchronously, so that the last
 * line before an exit is not lost.
 */
export function createLogger(options: {
  readonly level: LogLevel
  readonly colour: boolean
  readonly fd?: number
}): Logger {
  const file = logFile(options.fd ?? 2)
  return pino(
    {
      level: options.level,
      base: null,
      // The second fence: nobody should log these, and if somebody does, they stay hidden.
      redact: ['data', 'stringData', 'binaryData', 'token', '*.data', 'env'],
    },
    { write: record => file.write(readableLine(record, options.colour)) },
  )
}

interface LogRecord {
  readonly level: number
  /** Milliseconds since 1970. */
  readonly time: number
  readonly msg: string
  readonly [field: string]: unknown
}

/** `2026-11-29T16:20:09.123Z INFO published {"volume":"config"}`, of pino's JSON. */
function readableLine(record: string, colour: boolean): string {
  const { level, time, msg, ...fields } = JSON.parse(record) as LogRecord
  const word = (pino.levels.labels[level] ?? String(level)).toUpperCase()
  const shown = colour ? styleText(level >= 50 ? 'red' : 'green', word) : word
  // Names of files, messages of errors: anybody's text.
  const rest =
    Object.keys(fields).length === 0 ? '' : visibleJson(JSON.stringify(fields))
  return `${[new Date(time).toISOString(), shown, visible(msg), rest].join(' ').trimEnd()}\n`
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
