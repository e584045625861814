import { makeTerminalRaw } from '../../linux/raw-terminal.ts'
import type { ContainerStreams } from '../../streams/container-streams.ts'
import { writableAgain } from '../../util/writable-again.ts'
import type { Context } from '../context.ts'
import { exitCodeOfSignal, exitCodes } from '../exit-codes.ts'

/** What of a program's streams is to be connected with this process's own. */
export interface Wanted {
  readonly stdin: boolean
  readonly tty: boolean
}

/** -t without a terminal to type at is no terminal, as for kubectl; says so. */
export function wantedOf(context: Context, wanted: Wanted): Wanted {
  if (!wanted.tty || !wanted.stdin || process.stdin.isTTY) return wanted
  context.stderr.line(
    'Unable to use a TTY - input is not a terminal or the right kind of file',
  )
  return { ...wanted, tty: false }
}

/**
 * Connects them until the program has ended, and resolves with its exit code; a signal to this
 * process hangs up.
 */
export async function runStreams(
  context: Context,
  streams: ContainerStreams,
  {
    stdin,
    tty,
    tellsCode = false,
    onError,
  }: Wanted & {
    /** An exit code that is not 0 is worth a line. */
    readonly tellsCode?: boolean
    /** Instead of an error line and exit code 1. */
    readonly onError?: (message: string) => Promise<number>
  },
): Promise<number> {
  let signalled: NodeJS.Signals | undefined
  const stopListening = context.onSignal(signal => {
    signalled ??= signal
    streams.hangUp()
  })
  const restore = stdin && tty ? makeTerminalRaw() : undefined
  const tellSize = (): void => {
    const { columns, rows } = process.stdout
    streams.resize({ columns, rows })
  }
  if (tty && process.stdout.isTTY) {
    tellSize()
    process.stdout.on('resize', tellSize)
  }
  try {
    if (stdin && streams.stdin !== undefined) process.stdin.pipe(streams.stdin)
    // A program that has ended reads no more.
    streams.stdin?.on('error', () => undefined)
    const [end] = await Promise.all([
      streams.ended,
      copied(streams.stdout, process.stdout),
      copied(streams.stderr, process.stderr),
    ])
    if (signalled !== undefined) return exitCodeOfSignal(signalled)
    restore?.()
    if ('error' in end) {
      if (onError !== undefined) return await onError(end.error)
      context.stderr.line(`error: Internal error occurred: ${end.error}`)
      return exitCodes.failed
    }
    if (tellsCode && end.exitCode !== 0)
      context.stderr.line(`command terminated with exit code ${end.exitCode}`)
    return end.exitCode
  } finally {
    restore?.()
    stopListening()
    process.stdout.off('resize', tellSize)
    process.stdin.unpipe()
    process.stdin.pause()
  }
}

/** As fast as somebody reads them. */
async function copied(
  from: ContainerStreams['stdout'],
  to: NodeJS.WriteStream,
): Promise<void> {
  if (from === undefined) return
  for await (const chunk of from)
    if (!to.write(chunk as Buffer)) await writableAgain(to)
}
