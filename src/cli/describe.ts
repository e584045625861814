import { items, nameOf, part, text, type JsonObject } from '../api/json.ts'
import type { ApiClient, Resource } from '../client/api-client.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import type { Surroundings } from './look/describe-parts.ts'
import type { FoundObject } from './look/find-object.ts'
import {
  listOptions,
  lookOptions,
  namespaceOf,
  sessionsFor,
} from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'

export const describeCommand: Command = {
  name: 'describe',
  summary:
    'tell all of a Pod, a ConfigMap or another object, as kubectl describe',
  usage: [
    'describe TYPE [NAME.. | -l SELECTOR] [-n NAMESPACE]',
    'describe TYPE/NAME..',
  ],
  description: `TYPE is what podfs get takes. Of a Secret the keys and sizes, never the values.`,
  examples: [
    {
      comment: 'what a Pod waits for',
      line: 'podfs describe pod web',
    },
    { comment: 'the keys of a Secret', line: 'podfs describe secret/db' },
    {
      comment: 'all Pods of an application',
      line: 'podfs describe pods -l app=shop',
    },
  ],
  options: { ...lookOptions, selector: listOptions.selector },
  run,
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const { refuseNamesBeside, whatToGet } = await import('./look/get-request.ts')
  const { attempt } = await import('./look/attempt.ts')
  const { findObject } = await import('./look/find-object.ts')
  const { describeObject } = await import('./look/describe-object.ts')
  const wanted = whatToGet(options.positionals)
  const selector = options.value('selector')
  refuseNamesBeside(selector !== undefined, wanted)
  const clients = await sessionsFor(context, options)
  const namespace = namespaceOf(options)
  const texts: string[] = []
  let hasFailed = false
  const describe = async (find: () => Promise<FoundObject>): Promise<void> => {
    const isDone = await attempt(context, async () => {
      const found = await find()
      const now = context.clock.now()
      texts.push(describeObject(found.object, await surroundingsOf(found, now)))
    })
    hasFailed ||= !isDone
  }
  for (const { resource, names } of wanted) {
    for (const name of new Set(names))
      await describe(() => findObject(clients, resource, namespace, name))
    if (names.length > 0) continue
    const all = await findAll(clients, resource, namespace, selector)
    for (const { client, url } of all)
      await describe(async () => ({ client, object: await client.get(url) }))
  }
  if (texts.length === 0 && !hasFailed)
    context.stderr.line(
      `No resources found${wanted.some(({ resource }) => resource.namespaced) ? ` in ${namespace} namespace` : ''}.`,
    )
  // Two empty lines between two objects, as kubectl leaves them.
  context.stdout.text(texts.join('\n\n'))
  return hasFailed ? exitCodes.failed : exitCodes.done
}

/** Where each object of the namespace is. */
async function findAll(
  clients: readonly ApiClient[],
  resource: Resource,
  namespace: string,
  selector: string | undefined,
): Promise<readonly { readonly client: ApiClient; readonly url: string }[]> {
  const { urlOf } = await import('../client/api-client.ts')
  const { listObjects } = await import('./look/find-object.ts')
  const found = await listObjects(clients, resource, namespace, selector)
  const all = found.map(({ client, object }) => ({
    client,
    url: urlOf(resource, { namespace, name: nameOf(object) }),
  }))
  if (resource.namespaced) return all
  // There is one node, whoever is asked.
  return [...new Map(all.map(each => [each.url, each])).values()]
}

/** What is described with what becomes of its Pods. */
const hasPods = new Set([
  'Node',
  'DaemonSet',
  'ReplicaSet',
  'ReplicationController',
  'StatefulSet',
])

/** Its events, and of a Node or a workload its Pods. */
async function surroundingsOf(
  { client, object }: FoundObject,
  now: number,
): Promise<Surroundings> {
  const { findResource, urlOf } = await import('../client/api-client.ts')
  const kind = text(object['kind'])
  const namespace = part(object, 'metadata')['namespace'] as string | undefined
  const list = async (
    word: 'events' | 'pods',
    fieldSelector?: string,
  ): Promise<readonly JsonObject[]> => {
    const resource = findResource(word)
    if (resource === undefined) throw new Error(`no resource ${word}`)
    const query = { fieldSelector }
    return items(
      await client.get(urlOf(resource, { namespace, query })),
      'items',
    )
  }
  const [events, pods] = await Promise.all([
    list(
      'events',
      `involvedObject.kind=${kind},involvedObject.name=${nameOf(object)}`,
    ),
    hasPods.has(kind) ? list('pods') : [],
  ])
  return { events, pods, now }
}
