import {
  formatFinding,
  isMistake,
  type Finding,
  type ObjectFields,
} from '../api/report.ts'
import type { Position } from '../api/types.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import {
  commonOptions,
  sourceOptions,
  type ParsedOptions,
  refuseEmpty,
} from './options.ts'
import { withRemedyHere } from './remedy.ts'
import { sessionOptions } from './session-options.ts'
import { inputOf, isEmptyInput } from './input.ts'

export const validateCommand: Command = {
  name: 'validate',
  summary: 'check manifests, and list what podfs does not do with them',
  usage: ['validate -f PATH.. | -k DIR | --helm CHART [-o wide|json]'],
  description: `Prints every mistake of every document, then what is accepted and surely meant otherwise,
then each field that podfs emulates or ignores and why, and at last one line for each
object. Mistakes make it exit with 1; the rest does not.`,
  examples: [
    { comment: 'a directory of manifests', line: 'podfs validate -f k8s/' },
    {
      comment: 'what kustomize, or helm, makes',
      line: 'podfs validate -k overlays/dev',
    },
  ],
  options: {
    ...sourceOptions,
    output: {
      short: 'o',
      value: 'FORMAT',
      choices: ['wide', 'json'],
      help: 'wide: each supported field, too; json: all of it as JSON',
    },
    ...commonOptions,
  },
  run,
}

const formats = ['wide', 'json']

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const format = options.value('output')
  if (format !== undefined && !formats.includes(format))
    throw new Failure('usage', `-o ${format}: the formats are wide and json`)
  refuseEmpty(options.positionals, 'PATH')
  const { renderings } = inputOf(options, [], 'validate')
  const paths = [...options.values('filename'), ...options.positionals]
  if (isEmptyInput({ paths, renderings }))
    throw new Failure('usage', 'no -f PATH was given', {
      fix: 'podfs validate --help',
    })
  const { validate } = await import('../commands/validate.ts')
  const result = await validate(
    await sessionOptions(context, options, { paths, renderings }),
  )
  const findings = sortFindings(result.findings).map(finding =>
    withRemedyHere(finding, context),
  )
  const objects = inFileOrder(result.objects)
  const { stdout } = context
  if (format === 'json')
    stdout.raw(`${JSON.stringify({ findings, objects }, null, 2)}\n`)
  else
    for (const line of asLines(findings, objects, format === 'wide'))
      stdout.line(line)
  return findings.some(isMistake) ? exitCodes.failed : exitCodes.done
}

function asLines(
  findings: readonly Finding[],
  objects: readonly ObjectFields[],
  wide: boolean,
): readonly string[] {
  const supported = objects.flatMap(({ object, fields }) =>
    fields
      .filter(({ treatment }) => treatment === 'supported')
      .map(({ position, fieldPath }) =>
        formatFinding({ position, object, fieldPath, message: 'supported' }),
      ),
  )
  return [
    ...findings.flatMap(findingLines),
    ...(wide ? supported : []),
    ...objects.map(summaryLine),
  ]
}

function findingLines(finding: Finding): readonly string[] {
  const word = finding.treatment === 'rejected' ? 'error' : 'warning'
  const fix = finding.fix === undefined ? [] : [`  ${finding.fix}`]
  return [`${word}: ${formatFinding(finding)}`, ...fix]
}

/** `Pod default/web: 14 fields supported, 2 emulated, 1 ignored` */
function summaryLine({ object, position, fields }: ObjectFields): string {
  const counts = (
    ['supported', 'emulated', 'ignored', 'rejected'] as const
  ).flatMap(treatment => {
    const count = fields.filter(field => field.treatment === treatment).length
    if (treatment === 'supported')
      return [`${count} ${count === 1 ? 'field' : 'fields'} supported`]
    return count === 0 ? [] : [`${count} ${treatment}`]
  })
  return formatFinding({ position, object, message: counts.join(', ') })
}

/** Mistakes first, then doubts, then what podfs does its own way; each in file order. */
function sortFindings(findings: readonly Finding[]): Finding[] {
  const rank = ({ treatment }: Finding): number =>
    treatment === 'rejected' ? 0 : treatment === 'warning' ? 1 : 2
  return inFileOrder(findings).sort((a, b) => rank(a) - rank(b))
}

function inFileOrder<T extends { readonly position: Position }>(
  items: readonly T[],
): T[] {
  return [...items].sort(
    ({ position: a }, { position: b }) =>
      a.path.localeCompare(b.path) || a.line - b.line || a.column - b.column,
  )
}
