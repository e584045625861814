import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { lookOptions, sessionsFor } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'

export const reloadCommand: Command = {
  name: 'reload',
  summary: 'let podfs serve read its configuration again',
  usage: ['reload [--session ID]'],
  description: `Applies what has changed in podfs.yaml as far as that is possible while podfs runs, and names
the settings that need a restart. A file with a mistake changes nothing. SIGHUP does the same.`,
  examples: [
    { comment: 'the podfs serve that runs', line: 'podfs reload' },
    {
      comment: 'one of several',
      line: 'podfs reload --session /srv/podfs',
    },
  ],
  options: { session: lookOptions.session, help: lookOptions.help },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const { ApiFailure } = await import('../client/api-client.ts')
  const [word] = options.positionals
  if (word !== undefined)
    throw new Failure('usage', `what is ${word}?`, { fix: 'podfs reload' })
  const clients = (await sessionsFor(context, options)).filter(
    ({ session }) => session.command === 'serve',
  )
  const [client, ...others] = clients
  if (client === undefined)
    throw new Failure('failed', 'no podfs serve is running')
  if (others.length > 0)
    throw new Failure('usage', `${clients.length} podfs serve are running`, {
      fix: clients
        .map(({ id }) => `podfs reload --session ${id}`)
        .join(', or '),
    })
  try {
    const outcome = await client.post('/-/reload', {})
    const names = (key: string): string => words(outcome[key])
    const applied = names('applied')
    context.stdout.line(
      `podfs: ${applied === '' ? 'nothing to apply' : `applied: ${applied}`}`,
    )
    const needRestart = names('needRestart')
    if (needRestart !== '')
      context.stderr.line(
        `warning: changed, and needs a restart: ${needRestart}`,
      )
    return exitCodes.done
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error
    throw new Failure('usage', error.message, {
      cause: error,
      further: error.causes,
    })
  }
}

function words(value: unknown): string {
  return Array.isArray(value) ? value.join(', ') : ''
}
