import { nearest } from '../util/edit-distance.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import { configCommand } from './config.ts'
import type { Context } from './context.ts'
import { doctorCommand } from './doctor.ts'
import { exitCodes } from './exit-codes.ts'
import { helpOfCommand, helpOfProgram } from './help.ts'
import { mountCommand } from './mount.ts'
import { parseOptions } from './options.ts'
import { runCommand } from './run.ts'
import { unmountCommand } from './unmount.ts'
import { validateCommand } from './validate.ts'

const commands: readonly Command[] = [
  mountCommand,
  unmountCommand,
  runCommand,
  validateCommand,
  doctorCommand,
  configCommand,
]

/**
 * One command to an exit code. What goes wrong is told on stderr here
 * and nowhere else: one line `error: ...`, and where there is a remedy, a second one.
 */
export async function runProgram(
  context: Context,
  version: string,
): Promise<number> {
  try {
    return await dispatch(context, version)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    context.stderr.write(`error: ${error.message}\n`)
    if (error.fix !== undefined) context.stderr.write(`  ${error.fix}\n`)
    return exitCodes[error.kind]
  }
}

async function dispatch(context: Context, version: string): Promise<number> {
  const [name, ...rest] = context.argv
  if (name === '--version' || name === 'version') {
    context.stdout.write(`podfs ${version}\n`)
    return exitCodes.done
  }
  if (name === undefined || ['--help', '-h', 'help'].includes(name)) {
    const wanted = commands.find(command => command.name === rest[0])
    const help =
      wanted === undefined ? helpOfProgram(commands) : helpOfCommand(wanted)
    const stream = name === undefined ? context.stderr : context.stdout
    stream.write(help)
    return name === undefined ? exitCodes.usage : exitCodes.done
  }
  const command = commands.find(command => command.name === name)
  if (command === undefined) {
    const meant = nearest(
      name,
      commands.map(({ name }) => name),
    )
    throw new Failure('usage', `unknown command "${name}"`, {
      fix:
        meant === undefined ? 'podfs --help' : `did you mean podfs ${meant}?`,
    })
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    context.stdout.write(helpOfCommand(command))
    return exitCodes.done
  }
  return await command.run(context, parseOptions(rest, command.options))
}
