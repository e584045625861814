import { items, nameOf, part, text, type JsonObject } from '../../api/json.ts'
import {
  findResource,
  type ApiClient,
  type Resource,
} from '../../client/api-client.ts'
import { formatLabelSelector } from '../../api/format-selector.ts'
import { Failure } from '../../util/failure.ts'
import { findObject, type FoundObject, listObjects } from './find-object.ts'
import { resourceOf } from './get-request.ts'

/** Finds the Pods of one namespace that a command means. */
export class PodFinder {
  readonly #clients: readonly ApiClient[]
  readonly #namespace: string

  constructor(clients: readonly ApiClient[], namespace: string) {
    this.#clients = clients
    this.#namespace = namespace
  }

  /** All with these labels, as kubectl's -l. Throws an ApiFailure. */
  async selected(
    selector: string,
    clients = this.#clients,
  ): Promise<readonly FoundObject[]> {
    return await listObjects(clients, pods(), this.#namespace, selector)
  }

  /**
   * The Pod itself, or one of the workload or Service, and how many others there are. The
   * workload's own comes first: two may have the same selector. Throws an ApiFailure, or a
   * Failure when there is none.
   */
  async ofObject(
    type: string,
    name: string,
  ): Promise<{ readonly pod: FoundObject; readonly others: number }> {
    const resource = resourceOf(type)
    const found = await findObject(
      this.#clients,
      resource,
      this.#namespace,
      name,
    )
    if (resource.kind === 'Pod') return { pod: found, others: 0 }
    const { uid } = part(found.object, 'metadata')
    const isOwn = ({ object }: FoundObject): boolean =>
      items(part(object, 'metadata'), 'ownerReferences').some(
        owner => owner['uid'] === uid,
      )
    const selector = selectorOf(resource, found.object)
    const all = await this.selected(selector ?? '', [found.client])
    const own = all.filter(isOwn)
    // A CronJob has no selector: its Pod says whose it is.
    const candidates =
      selector === undefined ? own : [...own, ...all.filter(pod => !isOwn(pod))]
    const [pod, ...others] = candidates
    if (pod === undefined)
      throw new Failure(
        'failed',
        `no Pod of ${resource.singular} ${nameOf(found.object)} runs`,
        { fix: `podfs describe ${resource.singular} ${nameOf(found.object)}` },
      )
    return { pod, others: others.length }
  }
}

function pods(): Resource {
  const resource = findResource('pods')
  if (resource === undefined) throw new Error('no resource of Pods')
  return resource
}

/** Undefined for a CronJob. Throws a usage Failure for what has no Pods. */
function selectorOf(
  { kind, singular }: Resource,
  object: JsonObject,
): string | undefined {
  const spec = part(object, 'spec')
  const selector = part(spec, 'selector')
  switch (kind) {
    case 'CronJob':
      return undefined
    case 'Service':
    case 'ReplicationController':
      if (Object.keys(selector).length === 0)
        throw new Failure(
          'failed',
          `invalid ${singular} '${nameOf(object)}': it has no selector`,
        )
      return Object.entries(selector)
        .map(([key, value]) => `${key}=${text(value)}`)
        .join(',')
    case 'DaemonSet':
    case 'Deployment':
    case 'Job':
    case 'ReplicaSet':
    case 'StatefulSet':
      return formatLabelSelector(selector)
  }
  throw new Failure('usage', `a ${singular} has no Pods, and so no logs`)
}
