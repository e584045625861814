import { isDeepStrictEqual } from 'node:util'
import { part, type JsonObject } from '../api/json.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { lookOptions, namespaceOf, sessionsFor } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'

const types = ['strategic', 'merge', 'json'] as const

export const patchCommand: Command = {
  name: 'patch',
  summary: 'change what may change of a Pod that runs, as kubectl patch',
  usage: [
    'patch pod NAME.. -p PATCH [--type strategic|merge|json] [--subresource status]',
  ],
  description: `Labels, annotations, activeDeadlineSeconds, tolerations (more of them) and schedulingGates (fewer); with
--subresource status the conditions that readiness gates name. It is in memory alone, until the manifest
changes or the Pod ends.`,
  examples: [
    {
      comment: 'open a readiness gate',
      line: `podfs patch pod web --subresource=status -p '{"status": {"conditions": [{"type": "example.com/ready", "status": "True"}]}}'`,
    },
    {
      comment: 'a label, which volumes of the Pod show at once',
      line: `podfs patch pod web -p '{"metadata": {"labels": {"colour": "blue"}}}'`,
    },
  ],
  options: {
    ...lookOptions,
    patch: { short: 'p', value: 'PATCH', help: 'JSON or YAML' },
    type: {
      value: 'TYPE',
      choices: types,
      help: 'strategic (the default), merge (RFC 7396) or json (RFC 6902)',
    },
    subresource: {
      value: 'NAME',
      choices: ['status'],
      help: 'status: of the status of the Pod',
    },
  },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const { urlOf } = await import('../client/api-client.ts')
  const { kindWord, refuseNothingNamed, whatToGet } =
    await import('./look/get-request.ts')
  const { findObject } = await import('./look/find-object.ts')
  const { attempt } = await import('./look/attempt.ts')
  const { parsePatch } = await import('./parse-patch.ts')
  const wanted = whatToGet(options.positionals)
  const type = types.find(
    each => each === (options.value('type') ?? 'strategic'),
  )
  if (type === undefined)
    throw new Failure(
      'usage',
      `--type must be one of ${types.join(', ')}, not ${options.value('type')}`,
    )
  const subresource = options.value('subresource')
  if (subresource !== undefined && subresource !== 'status')
    throw new Failure('usage', `--subresource: status, not ${subresource}`)
  refuseNothingNamed(wanted, 'podfs patch pod NAME -p PATCH')
  const patch = parsePatch(options.value('patch'))
  const clients = await sessionsFor(context, options)
  const namespace = namespaceOf(options)
  let hasFailed = false
  for (const { resource, names } of wanted)
    for (const name of names) {
      const isDone = await attempt(context, async () => {
        const { client, object } = await findObject(
          clients,
          resource,
          namespace,
          name,
        )
        const url = urlOf(resource, {
          namespace,
          name,
          ...(subresource !== undefined && { subresource }),
        })
        const result = await client.patch(
          url,
          patch,
          type === 'strategic' ? 'strategic-merge' : type,
        )
        const note = isSame(object, result) ? ' (no change)' : ''
        context.stdout.line(`${kindWord(resource)}/${name} patched${note}`)
      })
      hasFailed ||= !isDone
    }
  return hasFailed ? exitCodes.failed : exitCodes.done
}

function isSame(before: JsonObject, after: JsonObject): boolean {
  const content = (object: JsonObject): unknown => {
    const { resourceVersion: _, ...metadata } = part(object, 'metadata')
    return { ...object, metadata }
  }
  return isDeepStrictEqual(content(before), content(after))
}
