import { items, nameOf } from '../api/json.ts'
import { Failure } from '../util/failure.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { lookOptions, namespaceOf, sessionsFor } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'

export const describeCommand: Command = {
  name: 'describe',
  summary: 'tell all of a Pod, Secret or ConfigMap, as kubectl describe',
  usage: ['describe pod|secret|configmap NAME.. [-n NAMESPACE]'],
  description: `Of a Secret the keys and sizes, never the values.`,
  examples: [
    {
      comment: 'what a Pod waits for',
      line: 'podfs describe pod web',
    },
    { comment: 'the keys of a Secret', line: 'podfs describe secret/db' },
  ],
  options: lookOptions,
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const { whatToGet } = await import('./look/get-request.ts')
  const { ApiFailure, askAll, findResource, urlOf } =
    await import('../daemon/api-client.ts')
  const { findObject } = await import('./look/find-object.ts')
  const { serverError } = await import('./look/look-options.ts')
  const { describeObject, isDescribed } =
    await import('./look/describe-object.ts')
  const wanted = whatToGet(options.positionals)
  const unknown = wanted.find(({ resource }) => !isDescribed(resource.kind))
  if (unknown !== undefined)
    throw new Failure(
      'usage',
      `podfs describes Pods, Secrets and ConfigMaps, not ${unknown.resource.plural}`,
      { fix: `podfs get ${unknown.resource.plural} -o yaml` },
    )
  const clients = await sessionsFor(context, options)
  const namespace = namespaceOf(options)
  const texts: string[] = []
  let hasFailed = false
  for (const { resource, names } of wanted) {
    const all =
      names.length > 0
        ? names
        : (
            await askAll(clients, client =>
              client.get(urlOf(resource, { namespace })),
            )
          ).flatMap(({ answer: list }) => items(list, 'items').map(nameOf))
    if (all.length === 0)
      context.stderr.write(`No resources found in ${namespace} namespace.\n`)
    for (const name of new Set(all))
      try {
        const found = await findObject(clients, resource, namespace, name)
        const events = findResource('events')
        const list =
          resource.kind === 'Pod' && events !== undefined
            ? await found.client.get(
                urlOf(events, {
                  namespace,
                  query: { fieldSelector: `involvedObject.name=${name}` },
                }),
              )
            : {}
        texts.push(
          describeObject(
            found.object,
            items(list, 'items'),
            context.clock.now(),
          ),
        )
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error
        context.stderr.write(serverError(error))
        hasFailed = true
      }
  }
  // Two empty lines between two objects, as kubectl leaves them.
  context.stdout.write(texts.join('\n\n'))
  return hasFailed ? exitCodes.failed : exitCodes.done
}
