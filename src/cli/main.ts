import { isatty } from 'node:tty'
import { systemClock } from '../util/clock.ts'
import { uidOfPlaces } from '../session/user-namespace.ts'
import { errorOf, defectMessage, onDefect } from '../util/on-defect.ts'
import type { Context } from './context.ts'
import { detachedContext } from './detached-context.ts'
import { exitCodes } from './exit-codes.ts'
import { type Given, whatIsGiven } from './given.ts'
import { outputTo } from './output.ts'
import { exitCodeOf, runProgram } from './program.ts'
import { hasCode } from '../util/error-code.ts'
import packageJson from '../../package.json' with { type: 'json' }

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

let stderr = outputTo(process.stderr)

const person = {
  env: process.env,
  uid: uidOfPlaces(),
}

async function main(): Promise<number> {
  let given: Given
  try {
    given = whatIsGiven()
  } catch (error) {
    return exitCodeOf(error, { stderr, ...person })
  }
  const context: Context = {
    ...given,
    stdout: outputTo(process.stdout),
    stderr,
    logFd: 2,
    stderrIsTerminal: isatty(2),
    colour: isatty(2) && !process.env['NO_COLOR'],
    ...person,
    clock: systemClock,
    onSignal: listener => {
      for (const signal of signals) process.on(signal, listener)
      return () => {
        for (const signal of signals) process.off(signal, listener)
      }
    },
  }
  const world = detachedContext(context) ?? context
  stderr = world.stderr
  return await runProgram(world, packageJson.version)
}

// A reader that went away (`podfs run ... | head`) ends the program as it ends any other.
process.stdout.on('error', error => {
  if (!hasCode(error, 'EPIPE')) throw error
  process.kill(process.pid, 'SIGTERM')
})

// What nobody reads any more, or what a full disk does not take, is no reason to end: mounts
// and Pods go on.
process.stderr.on('error', () => {})

// What a volume's directories get is what the umask leaves, as in a kubelet, whatever the
// person's own umask is.
process.umask(0o022)

// An exit code of 0 would say that all went well.
let hasDefect = false
onDefect(defect => {
  hasDefect = true
  process.exitCode = exitCodes.failed
  tellDefect(defect)
})

main().then(exit, (defect: unknown) => {
  tellDefect(defect)
  return exit(exitCodes.failed)
})

async function exit(code: number): Promise<void> {
  // A pipe takes 64 KiB at a time; what a slow reader has not taken yet would be lost.
  await new Promise(resolve => process.stdout.write('', resolve))
  // Nothing that is still open (a watcher, a pipe of a process that outlives us) may keep a
  // finished command alive; what must be waited for, the command has waited for.
  // oxlint-disable-next-line unicorn/no-process-exit
  process.exit(hasDefect && code === exitCodes.done ? exitCodes.failed : code)
}

/** A mistake in podfs itself, with what its authors need to find it. */
function tellDefect(defect: unknown): void {
  const { stack = '', message } = errorOf(defect)
  stderr.line(`${defectMessage}: ${message}`)
  for (const frame of stack.match(/^ +at .*$/gm) ?? []) stderr.line(frame)
}
