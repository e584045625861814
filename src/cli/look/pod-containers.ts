import { items, part, text, type JsonObject } from '../../api/json.ts'
import type { Context } from '../context.ts'

/** All that the Pod has, init containers first, ephemeral ones last. */
export function containersOf(pod: JsonObject): readonly string[] {
  return [
    ...containerNames(pod, 'initContainers'),
    ...containerNames(pod, 'containers'),
    ...containerNames(pod, 'ephemeralContainers'),
  ]
}

function containerNames(
  pod: JsonObject,
  key: 'initContainers' | 'containers' | 'ephemeralContainers',
): readonly string[] {
  return items(part(pod, 'spec'), key).map(({ name }) => text(name))
}

/** That of the annotation, else the first one, and a word on which it is (C347). */
export function defaultContainer(context: Context, pod: JsonObject): string {
  const annotated = text(
    part(part(pod, 'metadata'), 'annotations')[
      'kubectl.kubernetes.io/default-container'
    ],
  )
  const containers = containerNames(pod, 'containers')
  if (containers.includes(annotated)) return annotated
  const [first = ''] = containers
  const all = [
    ...containers,
    ...containerNames(pod, 'ephemeralContainers').map(
      name => `${name} (ephem)`,
    ),
    ...containerNames(pod, 'initContainers').map(name => `${name} (init)`),
  ]
  if (all.length > 1)
    context.stderr.line(
      `Defaulted container "${first}" out of: ${all.join(', ')}`,
    )
  return first
}
