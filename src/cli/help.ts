import type { Command, CommandGroup } from './command.ts'
import type { Option } from './options.ts'

export function helpOfProgram(commands: CommandGroup['commands']): string {
  return `podfs gives a developer's machine what a kubelet gives a node: a Pod's volumes, live,
and its containers as local processes.

Usage: podfs COMMAND [FLAGS]

Commands:
${listOf(commands)}

podfs COMMAND --help says more; podfs --version prints the version.
`
}

/** `words` are those that lead to the group, such as `create secret`. */
export function helpOfGroup(words: string, group: CommandGroup): string {
  return `${sentence(group.summary)}

Usage: podfs ${words} COMMAND [FLAGS]

Commands:
${listOf(group.commands)}

podfs ${words} COMMAND --help says more.
`
}

function listOf(commands: CommandGroup['commands']): string {
  const named = commands.map(({ name, aliases = [], summary }) => ({
    names: [name, ...aliases].join(', '),
    summary,
  }))
  const width = Math.max(...named.map(({ names }) => names.length))
  return named
    .map(({ names, summary }) => `  ${names.padEnd(width)}  ${summary}`)
    .join('\n')
}

function sentence(summary: string): string {
  return `${summary[0]?.toUpperCase()}${summary.slice(1)}.`
}

export function helpOfCommand(command: Command): string {
  const flags = Object.entries(command.options).map(([name, option]) => ({
    flag: flagOf(name, option),
    help: option.help,
  }))
  const width = Math.max(...flags.map(({ flag }) => flag.length))
  return `${sentence(command.summary)}
${command.description === undefined ? '' : `\n${command.description}\n`}
Usage:
${command.usage.map(line => `  podfs ${line}`).join('\n')}

Examples:
${command.examples.map(({ comment, line }) => `  # ${comment}\n  ${line}`).join('\n\n')}

Flags:
${flags.map(({ flag, help }) => `  ${flag.padEnd(width)}  ${help}`).join('\n')}
`
}

function flagOf(name: string, { short, value, bare }: Option): string {
  const dashes = `${short === undefined ? '    ' : `-${short}, `}--${name}`
  if (value === undefined) return dashes
  return bare === undefined ? `${dashes} ${value}` : `${dashes}[=${value}]`
}
