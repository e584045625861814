import type { Check } from '../commands/doctor.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import {
  commonOptions,
  jsonOption,
  wantsJson,
  type ParsedOptions,
} from './options.ts'
import { withRemedyHere } from './remedy.ts'
import { sessionOptions } from './session-options.ts'

export const doctorCommand: Command = {
  name: 'doctor',
  summary:
    'tell what podfs finds on this machine, and how to get what is missing',
  usage: ['doctor [-o json]'],
  description: `Looks at what podfs uses of this machine, then mounts a volume in its run-time directory,
watches it, and publishes one change, on each backend. Leaves nothing behind. Exits with 3 when
something is missing; warnings do not count.`,
  examples: [
    { comment: 'what works here', line: 'podfs doctor' },
    {
      comment: 'for a script: what is missing',
      line: `podfs doctor -o json | jq '.[] | select(.status == "missing")'`,
    },
  ],
  options: {
    ...jsonOption,
    ...commonOptions,
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const json = wantsJson(options)
  const [extra] = options.positionals
  if (extra !== undefined)
    throw new Failure('usage', `doctor takes no argument: ${extra}`)
  const { examine } = await import('../commands/doctor.ts')
  const found = await examine(
    await sessionOptions(context, options, { paths: [], renderings: [] }),
  )
  const checks = found.map(check => withRemedyHere(check, context))
  if (json) context.stdout.raw(`${JSON.stringify(checks, null, 2)}\n`)
  else context.stdout.text(asTable(checks))
  return checks.some(({ status }) => status === 'missing')
    ? exitCodes.platform
    : exitCodes.done
}

function asTable(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length)) + 3
  const statusWidth = 'missing'.length + 3
  const row = (name: string, status: string, text: string): string =>
    `${name.padEnd(width)}${status.padEnd(statusWidth)}${text}\n`
  const rows = checks.map(
    ({ name, status, detail, fix }) =>
      row(name, status, detail) +
      (fix === undefined ? '' : row('', '', `fix: ${fix}`)),
  )
  const lacking = checks.filter(({ status }) => status === 'missing')
  const verdict =
    lacking.length === 0
      ? 'podfs mount and podfs run work here.'
      : `podfs lacks ${lacking.map(({ name }) => name).join(', ')} here.`
  return `${row('CHECK', 'STATUS', 'FOUND')}${rows.join('')}\n${verdict}\n`
}
