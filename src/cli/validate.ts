import { formatFinding, type Finding } from '../api/report.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { commonOptions, sourceOptions, type ParsedOptions } from './options.ts'
import { sessionOptions } from './session-options.ts'

export const validateCommand: Command = {
  name: 'validate',
  summary: 'check manifests, and list what podfs does not do with them',
  usage: ['validate -f PATH.. [-o json]'],
  description: `Prints every mistake of every document, then each field that podfs emulates or ignores,
and why. Mistakes make it exit with 1; the rest does not.`,
  examples: [
    { comment: 'a directory of manifests', line: 'podfs validate -f k8s/' },
    {
      comment: 'what kustomize makes',
      line: 'kubectl kustomize . | podfs validate -f -',
    },
  ],
  options: {
    ...sourceOptions,
    output: { short: 'o', value: 'FORMAT', help: 'json' },
    ...commonOptions,
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const format = options.value('output')
  if (format !== undefined && format !== 'json')
    throw new Failure('usage', `-o ${format}: the only format is json`)
  const paths = [...options.values('filename'), ...options.positionals]
  if (paths.length === 0)
    throw new Failure('usage', 'no -f PATH was given', {
      fix: 'podfs validate --help',
    })
  const { validate } = await import('../daemon/validate.ts')
  const findings = sorted(
    await validate(await sessionOptions(context, options, paths)),
  )
  if (format === 'json')
    context.stdout.write(`${JSON.stringify(findings, null, 2)}\n`)
  else for (const finding of findings) context.stdout.write(asText(finding))
  const mistakes = findings.some(({ treatment }) => treatment === 'rejected')
  return mistakes ? exitCodes.failed : exitCodes.done
}

function asText(finding: Finding): string {
  const word = finding.treatment === 'rejected' ? 'error' : 'warning'
  const fix = finding.fix === undefined ? '' : `  ${finding.fix}\n`
  return `${word}: ${formatFinding(finding)}\n${fix}`
}

/** Mistakes first; each group in the order of the files. */
function sorted(findings: readonly Finding[]): Finding[] {
  const rank = (finding: Finding): number =>
    finding.treatment === 'rejected' ? 0 : 1
  return [...findings].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      a.position.path.localeCompare(b.position.path) ||
      a.position.line - b.position.line ||
      a.position.column - b.position.column,
  )
}
