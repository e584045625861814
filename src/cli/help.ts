import type { Command } from './command.ts'

export function helpOfProgram(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  return `podfs gives a developer's machine what a kubelet gives a node: a Pod's volumes, live,
and its containers as local processes.

Usage: podfs COMMAND [FLAGS]

Commands:
${commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}

podfs COMMAND --help says more; podfs --version prints the version.
`
}

export function helpOfCommand(command: Command): string {
  const flags = Object.entries(command.options).map(
    ([name, { short, value, help }]) => ({
      flag: `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`,
      help,
    }),
  )
  const width = Math.max(...flags.map(({ flag }) => flag.length))
  return `${command.summary[0]?.toUpperCase()}${command.summary.slice(1)}.
${command.description === undefined ? '' : `\n${command.description}\n`}
Usage:
${command.usage.map(line => `  podfs ${line}`).join('\n')}

Examples:
${command.examples.map(({ comment, line }) => `  # ${comment}\n  ${line}`).join('\n\n')}

Flags:
${flags.map(({ flag, help }) => `  ${flag.padEnd(width)}  ${help}`).join('\n')}
`
}
