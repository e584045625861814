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

| words | meaning |
|---|---|
| \`unknown field\` | the field is mistyped, or stands at the wrong level |
| \`must be a ..., not a ...\` | the value has the wrong type |
| \`Required value\` | the field is missing, or empty |
| \`Invalid value\` | the value is not allowed; what is allowed comes after it |
| \`Unsupported value\` | the value is none of those that come after it |
| \`Duplicate value\` | something else has this name, port or path already |
| \`Forbidden\` | the field may not be used here, or not together with another one |
| \`Not found\` | what the value names is not there |
| \`Too long\` | the value has too many bytes |

## Manifests

The files are in test/fixtures/wrong. What podfs does its own way (\`emulated\`, \`ignored\`) is left out here.

${manifests.map(section).join('\n')}
## The command line, the choice of a Pod, mount points, images

${commands.map(section).join('\n')}
## The machine

Exit code 3 says that the machine lacks something: root, /dev/fuse, a program of util-linux. \`podfs doctor\` checks all of it, and says what to install.
`
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
