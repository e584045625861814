import type { Command, CommandGroup } from './command.ts'
import type { Option } from './options.ts'

interface Node {
  /** Each way to spell the words before, such as ` create secret`; '' is the program. */
  readonly spellings: readonly string[]
  readonly command: Command | CommandGroup
}

/**
 * A script for bash that completes commands, flags, and the values of flags that have only
 * some; everything else is a file. Made of what --help prints.
 */
export function bashCompletion(commands: CommandGroup['commands']): string {
  const program: CommandGroup = { name: 'podfs', summary: '', commands }
  const nodes = nodesBelow({ spellings: [''], command: program })
  const known = nodes.flatMap(({ spellings }) => spellings).filter(Boolean)
  return `# bash completion for podfs, made by: podfs completion bash

_podfs() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local command= i words=
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command \${COMP_WORDS[i]}" in
      ${known.map(quote).join(' | \\\n      ')})
        command+=" \${COMP_WORDS[i]}" ;;
      *) break ;;
    esac
  done
  # bash makes three words of --flag=value.
  [[ $current == = ]] && current=
  [[ $previous == = ]] && previous=\${COMP_WORDS[COMP_CWORD - 2]}
  case "$command $previous" in
${casesOf(nodes, valueCases)}
  esac
  if [[ -z $words ]]; then
    case "$command:$current" in
${casesOf(nodes, wordCases)}
    esac
  fi
  if [[ -n $words ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    compopt -o default 2>/dev/null
  fi
}
complete -F _podfs podfs
`
}

function nodesBelow(node: Node): Node[] {
  const { command, spellings } = node
  const below = 'commands' in command ? command.commands : []
  return [
    node,
    ...below.flatMap(command =>
      nodesBelow({
        command,
        spellings: spellings.flatMap(before =>
          [command.name, ...(command.aliases ?? [])].map(
            word => `${before} ${word}`,
          ),
        ),
      }),
    ),
  ]
}

type Cases = (node: Node) => { patterns: string[]; words: readonly string[] }[]

function casesOf(nodes: readonly Node[], cases: Cases): string {
  return nodes
    .flatMap(cases)
    .filter(({ words }) => words.length > 0)
    .map(
      ({ patterns, words }) =>
        `    ${patterns.join(' | ')}) words='${words.join(' ')}' ;;`,
    )
    .join('\n')
}

/** After a flag that has only some values. */
const valueCases: Cases = ({ command, spellings }) =>
  flagsOf(command).map(([name, option]) => ({
    patterns: spellings.flatMap(before =>
      spelled(name, option).map(flag => quote(`${before} ${flag}`)),
    ),
    words: option.choices ?? [],
  }))

/** Where a command or a flag may stand. */
const wordCases: Cases = ({ command, spellings }) =>
  'commands' in command
    ? [
        {
          patterns: spellings.map(before => `${quote(`${before}:`)}*`),
          words: command.commands.map(({ name }) => name),
        },
      ]
    : [
        {
          patterns: spellings.map(before => `${quote(`${before}:-`)}*`),
          words: flagsOf(command).flatMap(([name, option]) =>
            spelled(name, option),
          ),
        },
      ]

function flagsOf(command: Command | CommandGroup): [string, Option][] {
  return 'commands' in command ? [] : Object.entries(command.options)
}

function spelled(name: string, { short }: Option): string[] {
  return [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]
}

function quote(words: string): string {
  return `'${words}'`
}
