import { items, type JsonObject } from '../../api/json.ts'
import {
  ApiFailure,
  askAll,
  type ApiClient,
  type Resource,
  urlOf,
} from '../../client/api-client.ts'
import { Failure } from '../../util/failure.ts'

export interface FoundObject {
  readonly client: ApiClient
  readonly object: JsonObject
}

/** All objects of the namespace, or those with these labels, as kubectl's -l. Throws an ApiFailure. */
export async function listObjects(
  clients: readonly ApiClient[],
  resource: Resource,
  namespace: string,
  labelSelector: string | undefined,
): Promise<readonly FoundObject[]> {
  const url = urlOf(resource, { namespace, query: { labelSelector } })
  const lists = await askAll(clients, client => client.get(url))
  return lists.flatMap(({ client, answer }) =>
    items(answer, 'items').map(object => ({ client, object })),
  )
}

/**
 * The podfs that has the object, and the object. Throws the ApiFailure of the first one when
 * none has it, a usage Failure when several have.
 */
export async function findObject(
  clients: readonly ApiClient[],
  resource: Resource,
  namespace: string,
  name: string,
  options: {
    readonly asTable?: boolean
    readonly query?: Readonly<Record<string, string | undefined>>
  } = {},
): Promise<FoundObject> {
  const { query = {} } = options
  const url = urlOf(resource, { namespace, name, query })
  let missing: ApiFailure | undefined
  const answers = await askAll(clients, async client => {
    try {
      return await client.get(url, options)
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error
      missing ??= error
      return undefined
    }
  })
  const found = answers.flatMap(({ client, answer }) =>
    answer === undefined ? [] : [{ client, object: answer }],
  )
  const [first, ...others] = found
  if (first === undefined)
    throw missing ?? new Failure('failed', 'no podfs is running')
  // There is one node, whoever is asked.
  if (others.length === 0 || !resource.namespaced) return first
  const ids = found.map(({ client }) => client.id)
  throw new Failure(
    'usage',
    `${resource.plural} "${name}" is in several podfs: ${ids.join(', ')}`,
    { fix: ids.map(id => `--session ${id}`).join(' or ') },
  )
}
