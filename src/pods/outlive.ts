import { rename, writeFile } from 'node:fs/promises'
import { identityOf } from '../linux/process-identity.ts'
import { errorOf } from '../util/on-defect.ts'

/*
 * A program of podfs's that outlives it; the other side is start-program.ts.
 */

/**
 * Writes into `file` which process this is, and tells on standard output that it listens. From now
 * on a terminal ends it no more, and nobody has to read what it says.
 */
export async function tellListening(
  file: string,
  onTerm: () => void,
): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(identityOf(process.pid)))
  await rename(`${file}.new`, file)
  process.on('SIGTERM', onTerm)
  // A terminal's: podfs ends it by the socket.
  for (const signal of ['SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => undefined)
  // Whoever reads there goes away.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', () => undefined)
  process.stdout.write('listening\n')
}

/** Ends the process when `main` is over, with 1 and a message when it has rejected. */
export function exitAfter(main: Promise<void>): void {
  main.then(
    // oxlint-disable-next-line unicorn/no-process-exit
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${errorOf(error).message}\n`)
      // oxlint-disable-next-line unicorn/no-process-exit
      process.exit(1)
    },
  )
}
