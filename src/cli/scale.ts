import { part } from '../api/json.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { lookOptions, namespaceOf, sessionsFor } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'

export const scaleCommand: Command = {
  name: 'scale',
  summary: 'run more or fewer Pods of a workload, as kubectl scale',
  usage: [
    'scale TYPE/NAME.. --replicas N [--current-replicas N]',
    'scale TYPE NAME.. --replicas N [--current-replicas N]',
  ],
  description: `Of a Deployment, StatefulSet, ReplicaSet or ReplicationController; each Pod is one of its own. podfs runs
one Pod of a workload, whatever its manifest says, until it is scaled; that counts for as long as podfs runs,
of podfs serve also after a restart.`,
  examples: [
    {
      comment: 'web-0, web-1, web-2',
      line: 'podfs scale sts/web --replicas 3',
    },
    {
      comment: 'only if it has one Pod now',
      line: 'podfs scale deploy/web --current-replicas 1 --replicas 2',
    },
  ],
  options: {
    ...lookOptions,
    replicas: { value: 'N', help: 'so many Pods; 0 ends them all' },
    'current-replicas': {
      value: 'N',
      help: 'do nothing unless it has so many now',
    },
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const replicas = numberIn(options, 'replicas')
  const expected = numberIn(options, 'current-replicas')
  if (replicas === undefined)
    throw new Failure(
      'usage',
      'the --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0',
      { fix: 'podfs scale deploy/NAME --replicas 2' },
    )
  const [{ urlOf }, { attempt }, { findObject }, words] = await Promise.all([
    import('../client/api-client.ts'),
    import('./look/attempt.ts'),
    import('./look/find-object.ts'),
    import('./look/get-request.ts'),
  ])
  const wanted = words.whatToGet(options.positionals)
  words.refuseNothingNamed(wanted, 'podfs scale deploy/NAME --replicas 2')
  for (const { resource } of wanted)
    if (!resource.subresources.some(({ name }) => name === 'scale'))
      throw new Failure('usage', `${resource.plural} cannot be scaled`, {
        fix: 'deploy/NAME, sts/NAME, rs/NAME or rc/NAME',
      })
  const clients = await sessionsFor(context, options)
  const namespace = namespaceOf(options)
  let hasFailed = false
  for (const { resource, names } of wanted)
    for (const name of names) {
      const subresource = 'scale'
      const url = urlOf(resource, { namespace, name, subresource })
      const isDone = await attempt(context, async () => {
        const { client } = await findObject(clients, resource, namespace, name)
        const now = part(await client.get(url), 'spec')['replicas']
        if (expected !== undefined && now !== expected)
          throw new Failure(
            'failed',
            `Expected replicas to be ${expected}, was ${JSON.stringify(now)}`,
          )
        await client.patch(url, { spec: { replicas } }, 'merge')
        context.stdout.line(`${words.kindWord(resource)}/${name} scaled`)
      })
      hasFailed ||= !isDone
    }
  return hasFailed ? exitCodes.failed : exitCodes.done
}

function numberIn(options: ParsedOptions, name: string): number | undefined {
  const given = options.value(name)
  if (given === undefined) return undefined
  if (/^\d{1,9}$/.test(given)) return Number(given)
  throw new Failure('usage', `--${name}: not a number of Pods: ${given}`)
}
