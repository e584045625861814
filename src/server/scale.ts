import type { IncomingMessage } from 'node:http'
import { formatLabelSelector } from '../api/format-selector.ts'
import { part, text, type JsonObject } from '../api/json.ts'
import { objectKey, type ObjectKey } from '../api/object-key.ts'
import type { ShownKind } from '../api/types.ts'
import { ApiError, badRequest, methodNotAllowed, quote } from './api-error.ts'
import { patched } from './patch.ts'
import { readJson } from './request-body.ts'
import type { Resource } from './resources.ts'

/*
 * The subresource `scale` of workloads: how many Pods a podfs runs of one (autoscaling/v1).
 */

/** How many Pods workloads have. */
export interface ScaleControl {
  scale(workload: ObjectKey, replicas: number): void
}

/** Each is a Pod of this machine: more than a kubelet takes are a slip of the finger. */
const mostReplicas = 110

/** The workload, as it is shown, and the number of Pods that it is to have. */
export interface ScaledWorkload {
  readonly resource: Resource
  readonly json: JsonObject
  readonly replicas: number
}

/** pkg/registry/apps, scaleFromDeployment and its like. */
export function scaleOf({
  resource,
  json,
  replicas,
}: ScaledWorkload): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = part(
    json,
    'metadata',
  )
  const selector = part(part(json, 'spec'), 'selector')
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name: name ?? null,
      namespace: namespace ?? null,
      uid: uid ?? null,
      resourceVersion: resourceVersion ?? null,
      creationTimestamp: creationTimestamp ?? null,
    },
    spec: { replicas },
    status: {
      replicas: part(json, 'status')['replicas'] ?? 0,
      selector:
        resource.kind === 'ReplicationController'
          ? Object.entries(selector)
              .map(([key, value]) => `${key}=${text(value)}`)
              .join(',')
          : formatLabelSelector(selector),
    },
  }
}

/** Does what a PUT or PATCH asks for, and gives the number. Throws an ApiError. */
export async function changeScale(
  workload: ScaledWorkload,
  request: IncomingMessage,
  control: ScaleControl,
  isDryRun: boolean,
): Promise<number> {
  const { json, resource } = workload
  const { method, headers } = request
  if (method !== 'PUT' && method !== 'PATCH') throw methodNotAllowed()
  const body = await readJson(request)
  const shown = scaleOf(workload)
  const wanted =
    method === 'PATCH' ? patched(shown, headers['content-type'], body) : body
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted))
    throw badRequest('a Scale was expected')
  const { name, namespace, resourceVersion } = part(json, 'metadata')
  const version = text(
    part(wanted as JsonObject, 'metadata')['resourceVersion'],
  )
  if (version !== '' && version !== resourceVersion)
    throw new ApiError(
      409,
      'Conflict',
      `Operation cannot be fulfilled on ${resource.plural} ${quote(text(name))}: the object has been modified; please apply your changes to the latest version and try again`,
    )
  const replicas = part(wanted as JsonObject, 'spec')['replicas'] ?? 0
  const problem = problemOf(replicas)
  if (problem !== undefined)
    throw new ApiError(
      422,
      'Invalid',
      `Scale.autoscaling ${quote(text(name))} is invalid: spec.replicas: Invalid value: ${JSON.stringify(replicas)}: ${problem}`,
    )
  const key = objectKey(resource.kind as ShownKind, text(namespace), text(name))
  if (!isDryRun) control.scale(key, replicas as number)
  return replicas as number
}

function problemOf(replicas: JsonObject[string]): string | undefined {
  if (typeof replicas !== 'number' || !Number.isSafeInteger(replicas))
    return 'must be a whole number'
  if (replicas < 0) return 'must be greater than or equal to 0'
  return replicas > mostReplicas
    ? `must be less than or equal to ${mostReplicas}, as many Pods as a node has`
    : undefined
}
