import { nearest } from '../util/edit-distance.ts'
import { Failure } from '../util/failure.ts'
import type { Command, CommandGroup } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { helpOfCommand, helpOfGroup, helpOfProgram } from './help.ts'
import { parseOptions } from './options.ts'
import { tellFailure, type Reader } from './report.ts'

type Commands = CommandGroup['commands']

/** Those that start something: their start waits for no other command's code. */
const starters: Readonly<Record<string, () => Promise<Commands>>> = {
  run: async () => [(await import('./run.ts')).runCommand],
  mount: async () => [(await import('./mount.ts')).mountCommand],
}

async function commandsFor(name: string | undefined): Promise<Commands> {
  const starter = name === undefined ? undefined : starters[name]
  return await (starter?.() ??
    import('./commands.ts').then(all => all.commands))
}

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
    return exitCodeOf(error, context)
  }
}

/** Tells what went wrong; what is no Failure is a mistake in podfs, and is thrown again. */
export function exitCodeOf(error: unknown, to: Reader): number {
  if (!(error instanceof Failure)) throw error
  tellFailure(to, error)
  return exitCodes[error.kind]
}

async function dispatch(context: Context, version: string): Promise<number> {
  const [name, ...rest] = context.argv
  if (name === '--version' || name === 'version') {
    context.stdout.line(`podfs ${version}`)
    return exitCodes.done
  }
  const commands = await commandsFor(name)
  if (name === undefined) {
    context.stderr.text(helpOfProgram(commands))
    return exitCodes.usage
  }
  if (['--help', '-h', 'help'].includes(name)) {
    const { words, command } = commandAt(commands, rest)
    context.stdout.text(helpOf(commands, words, command))
    return exitCodes.done
  }
  const { words, command, rest: args } = commandAt(commands, context.argv)
  // What follows `--` is not for podfs.
  const own = args.slice(
    0,
    args.includes('--') ? args.indexOf('--') : undefined,
  )
  const helpWanted = own.includes('--help') || own.includes('-h')
  if (helpWanted || command === undefined || 'commands' in command) {
    if (!helpWanted && args.length > 0)
      throw new Failure('usage', `unknown flag ${args[0]?.split('=')[0]}`, {
        fix: `${['podfs', ...words].join(' ')} --help`,
      })
    const stream = helpWanted ? context.stdout : context.stderr
    stream.text(helpOf(commands, words, command))
    return helpWanted ? exitCodes.done : exitCodes.usage
  }
  return await command.run(context, parseOptions(args, command.options))
}

function helpOf(
  commands: Commands,
  words: readonly string[],
  command: Command | CommandGroup | undefined,
): string {
  if (command === undefined) return helpOfProgram(commands)
  return 'commands' in command
    ? helpOfGroup(words.join(' '), command)
    : helpOfCommand(command)
}

interface Found {
  /** Those that name it, such as `create`, `secret`. */
  readonly words: readonly string[]
  /** `undefined`: the program itself. */
  readonly command: Command | CommandGroup | undefined
  readonly rest: readonly string[]
}

/** The command, or group of commands, that argv begins with. */
function commandAt(commands: Commands, argv: readonly string[]): Found {
  let command: Command | CommandGroup | undefined
  for (let i = 0; ; i++) {
    const words = argv.slice(0, i)
    const candidates = i === 0 ? commands : subcommandsOf(command)
    const word = argv[i]
    if (candidates === undefined || word === undefined || word.startsWith('-'))
      return { words, command, rest: argv.slice(i) }
    command = candidates.find(
      ({ name, aliases }) => name === word || aliases?.includes(word),
    )
    if (command === undefined) throw unknownCommand(words, word, candidates)
  }
}

function subcommandsOf(
  command: Command | CommandGroup | undefined,
): Commands | undefined {
  return command !== undefined && 'commands' in command
    ? command.commands
    : undefined
}

function unknownCommand(
  words: readonly string[],
  word: string,
  candidates: Commands,
): Failure {
  const meant = nearest(
    word,
    candidates.map(({ name }) => name),
  )
  const podfs = ['podfs', ...words].join(' ')
  return new Failure(
    'usage',
    `unknown command "${[...words, word].join(' ')}"`,
    {
      fix:
        meant === undefined
          ? `${podfs} --help`
          : `did you mean ${podfs} ${meant}?`,
    },
  )
}
