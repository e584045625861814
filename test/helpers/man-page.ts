import type { Command, CommandGroup } from '../../src/cli/command.ts'
import type { Option } from '../../src/cli/options.ts'

/**
 * podfs(1), of what --help prints and of the tables of docs/cli.md (exit codes, places).
 */
export function manPage(
  version: string,
  commands: CommandGroup['commands'],
  cliDocument: string,
): string {
  return `.\\" Made by \`npm run docs\` of the commands' help and docs/cli.md. Do not edit.
.TH PODFS 1 "" "podfs ${version}" "User Commands"
.SH NAME
podfs \\- a Pod's volumes, live, and its containers as local processes
.SH SYNOPSIS
.B podfs
.I COMMAND
.RI [ FLAGS ]
.SH DESCRIPTION
podfs gives a machine without a cluster what a kubelet gives a node: it serves the volumes of
Pods, Secrets and ConfigMaps as a live file system, with the kubelet's layout, modes and atomic
updates, and runs a Pod's containers as local processes.
.SH COMMANDS
${commands.flatMap(command => sections([], command)).join('')}.SH EXIT STATUS
${table(cliDocument, 'exit code')}.SH FILES
${table(cliDocument, 'what')}.SH ENVIRONMENT
.TP
.B PODFS_CONFIG
The podfs.yaml to read.
.TP
.BI PODFS_ SETTING
Each setting that is one word: ${text('PODFS_LOG_LEVEL, PODFS_FUSE_ANSWER_OPENS')}. It wins over the file; a flag wins over both.
.TP
.B NO_COLOR
No colour on a terminal, either.
.SH SEE ALSO
.BR mount (8),
.BR systemd.service (5),
.BR kubectl (1)
`
}

function sections(
  before: readonly string[],
  command: Command | CommandGroup,
): string[] {
  const words = [...before, command.name]
  if ('commands' in command)
    return command.commands.flatMap(below => sections(words, below))
  const { usage, summary, description, options, examples } = command
  return [
    `.SS "podfs ${text(words.join(' '))}"
${sentence(summary)}
${description === undefined ? '' : `.PP\n${text(description)}\n`}.PP
.nf
${usage.map(line => `\\fBpodfs ${text(line)}\\fR`).join('\n')}
.fi
${Object.entries(options)
  .map(([name, option]) => `.TP\n${flag(name, option)}\n${text(option.help)}\n`)
  .join('')}.PP
.RS
.nf
${examples.map(({ comment, line }) => `# ${text(comment)}\n${text(line)}`).join('\n\n')}
.fi
.RE
`,
  ]
}

function flag(name: string, { short, value, bare }: Option): string {
  const names = [...(short === undefined ? [] : [`-${short}`]), `--${name}`]
    .map(spelling => `\\fB${text(spelling)}\\fR`)
    .join(', ')
  if (value === undefined) return names
  const word = `\\fI${text(value)}\\fR`
  return bare === undefined ? `${names} ${word}` : `${names}[=${word}]`
}

/** The rows of a table of two columns in a Markdown page, by the first word of its head. */
function table(document: string, head: string): string {
  const [, rows = ''] = document.split(
    new RegExp(`^\\| ${head} \\|.*\\n\\|[-| ]*\\n`, 'm'),
  )
  return /^(\|.*\n)*/
    .exec(rows)![0]
    .split('\n')
    .filter(Boolean)
    .map(row => {
      const [, first = '', second = ''] = row.split(' | ').join('|').split('|')
      return `.TP\n.B ${text(plain(first))}\n${text(plain(second))}\n`
    })
    .join('')
}

function plain(markdown: string): string {
  return markdown.replaceAll('`', '').replaceAll('**', '').trim()
}

function sentence(summary: string): string {
  return text(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
}

/** Words in roff: a dash can be copied and typed, and no line is a request. */
function text(words: string): string {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^(?=[.'])/gm, '\\&')
}
