import path from 'node:path'
import { items, nameOf, part, text, type JsonObject } from '../../api/json.ts'
import {
  ApiFailure,
  askAll,
  findResource,
  urlOf,
  type ApiClient,
  type Resource,
} from '../../client/api-client.ts'
import { nearest } from '../../util/edit-distance.ts'
import { Failure } from '../../util/failure.ts'
import { realPath } from '../../linux/real-path.ts'
import type { Context } from '../context.ts'
import type { ParsedOptions } from '../options.ts'
import { findObject } from './find-object.ts'
import { namespaceOf, sessionsFor } from './look-options.ts'

/** One volume of one podfs. */
export interface FoundVolume {
  readonly client: ApiClient
  /** The kind and the name, as kubectl writes what was done to it. */
  readonly title: string
  /** Of a subresource. */
  readonly url: (subresource: string) => string
}

/** The volume that is named. Throws a Failure. */
export async function findVolume(
  context: Context,
  options: ParsedOptions,
  word: string,
): Promise<FoundVolume> {
  const clients = await sessionsFor(context, options)
  const resource = findResource('volumes')
  if (resource === undefined) throw new Error('no resource of volumes')
  if (/^\.{0,2}\//.test(word) || word === '.')
    return await findByPath(
      clients,
      resource,
      realPath(path.resolve(context.cwd, word)),
    )
  const parts = word.split('/')
  // As -o name writes it.
  if (parts[0] === 'volume.podfs.io') parts.shift()
  const meanings = meaningsOf(parts, namespaceOf(options))
  for (const { namespace, name } of meanings)
    try {
      const { client } = await findObject(clients, resource, namespace, name)
      return found(client, resource, namespace, name)
    } catch (error) {
      if (!(error instanceof ApiFailure) || error.reason !== 'NotFound')
        throw error
    }
  const others = (await listVolumes(clients, resource)).map(({ object }) =>
    wordOf(object),
  )
  const wanted = parts.length > 2 ? parts : [namespaceOf(options), ...parts]
  throw noSuchVolume(wanted.join('/'), others)
}

/** POD/VOLUME or VOLUME in the namespace, else with its own before it. */
function meaningsOf(
  parts: readonly string[],
  namespace: string,
): readonly { readonly namespace: string; readonly name: string }[] {
  const [first = '', ...rest] = parts
  const here = { namespace, name: parts.join('.') }
  const there = { namespace: first, name: rest.join('.') }
  if (rest.length > 1) return [there]
  return rest.length === 0 || there.name === '' ? [here] : [here, there]
}

async function findByPath(
  clients: readonly ApiClient[],
  resource: Resource,
  mountpoint: string,
): Promise<FoundVolume> {
  const all = await listVolumes(clients, resource)
  const paths = ({ object }: ListedVolume): readonly string[] =>
    (part(object, 'spec')['mountpoints'] ?? []) as readonly string[]
  const volume = all.find(each => paths(each).includes(mountpoint))
  if (volume === undefined)
    throw noSuchVolume(
      mountpoint,
      all.flatMap(paths).filter(each => each.startsWith('/')),
    )
  const { client, object } = volume
  const namespace = text(part(object, 'metadata')['namespace'])
  return found(client, resource, namespace, nameOf(object))
}

interface ListedVolume {
  readonly client: ApiClient
  readonly object: JsonObject
}

async function listVolumes(
  clients: readonly ApiClient[],
  resource: Resource,
): Promise<readonly ListedVolume[]> {
  const lists = await askAll(clients, client => client.get(urlOf(resource, {})))
  return lists.flatMap(({ client, answer }) =>
    items(answer, 'items').map(object => ({ client, object })),
  )
}

function found(
  client: ApiClient,
  resource: Resource,
  namespace: string,
  name: string,
): FoundVolume {
  return {
    client,
    title: `volume.podfs.io/${name}`,
    url: subresource => urlOf(resource, { namespace, name, subresource }),
  }
}

/** NAMESPACE/POD/VOLUME. */
function wordOf(volume: JsonObject): string {
  const { podName, volumeName } = part(volume, 'spec')
  const namespace = text(part(volume, 'metadata')['namespace'])
  return [namespace, podName, volumeName]
    .filter(each => each !== undefined)
    .map(text)
    .join('/')
}

function noSuchVolume(wanted: string, others: readonly string[]): Failure {
  const meant = nearest(wanted, others)
  const listed = others.slice(0, 10).join(', ')
  return new Failure(
    'usage',
    `no volume ${wanted}`,
    meant === undefined && others.length === 0
      ? {}
      : {
          fix:
            meant === undefined
              ? `there ${others.length === 1 ? 'is' : 'are'}: ${listed}${others.length > 10 ? ', ...' : ''}`
              : `did you mean ${meant}?`,
        },
  )
}
