import {
  atWork,
  entryOf,
  families,
  inFiles,
  ofTheMachine,
  type CatalogueEntry,
} from './message-catalogue.ts'
import { sourceMessages, type SourceMessage } from './source-messages.ts'
import type { WrongInput } from './wrong-inputs.ts'

export interface Said {
  readonly input: WrongInput
  readonly output: string
}

/** docs/errors.md: what podfs said to each wrong input when this page was made. */
export function errorsDocument(
  manifests: readonly Said[],
  commands: readonly Said[],
): string {
  return `# Errors

<!-- Made by \`npm run docs\`: test/cli/errors-document.test.ts runs podfs on each mistake. Do not edit. -->

A mistake is one line, \`error: PATH:LINE:COL: KIND NAMESPACE/NAME: FIELD.PATH: what is wrong\`, and where there is a remedy a second line with what to type. \`warning:\` begins what is accepted and surely meant otherwise. All mistakes of all files are told at once. Secret values are never shown.

What the API server of Kubernetes refuses, podfs refuses, at the same field and in the same words (v1.34): you can look them up. The words in front say what kind of mistake it is:

The same page has each kind of message that there is, read out of the source: [in files](#every-message-in-files), [at work](#every-message-at-work), [of the machine](#every-message-of-the-machine). What varies stands in capitals there; the line that is set in is what is printed below the message, mostly what to type.

## Manifests

The files are in test/fixtures/wrong. What podfs does its own way (\`emulated\`, \`ignored\`) is left out here.

${manifests.map(section).join('\n')}
## The command line, the choice of a Pod, mount points, images

${commands.map(section).join('\n')}
## Every message: in files

### The API server's words

${families.map(familySection).join('\n')}
### podfs's words

${inFiles.map(entrySection).join('\n')}
## Every message: at work

The number in front is the exit code; without one nothing ends, and a container waits.

${atWork.map(entrySection).join('\n')}
## Every message: of the machine

Exit code 3 says that the machine lacks something: root, /dev/fuse, a program of util-linux, space. \`podfs doctor\` checks all of it. Where it has run out of something (ENOSPC, EMFILE, EROFS, ...), the system's own words are printed, and below them the command that shows or raises the limit. Here the second lines are those of Debian with sudo, for a podfs that root finds; podfs prints what is to be typed on the machine where it runs: doas or neither, \`npx podfs\` or its path, dnf, pacman, zypper or apk.

${ofTheMachine.map(entrySection).join('\n')}`
}

/** The details that come after the words, without a list where the value says all. */
function familySection(entry: CatalogueEntry): string {
  const details = own(entry)
    .filter(({ text }) => text !== '')
    .map(({ text }) => `- ${code(text)}`)
  return [
    `**${entry.title}**: ${entry.cause} ${entry.remedy}`,
    ...(details.length === 0 ? [] : ['', ...details]),
    '',
  ].join('\n')
}

function entrySection(entry: CatalogueEntry): string {
  const lines = own(entry).flatMap(({ text, fixes, exitCode }) => [
    `${exitCode === undefined ? '' : `${exitCode}  `}${text}`,
    ...fixes.map(fix => `${exitCode === undefined ? '' : '   '}  ${fix}`),
  ])
  return `**${entry.title}**: ${entry.cause} ${entry.remedy}

\`\`\`
${lines.join('\n')}
\`\`\`
`
}

const messages = sourceMessages()

function own(entry: CatalogueEntry): SourceMessage[] {
  return messages.filter(message => entryOf(message) === entry)
}

function code(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``
}

function section({ input, output }: Said): string {
  const { title, cause, remedy, args } = input
  return `### ${title}

\`\`\`
$ podfs ${args.join(' ')}
${output.trimEnd()}
\`\`\`

${cause} ${remedy}
`
}
