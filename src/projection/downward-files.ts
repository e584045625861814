/**
 * The files of the downward API (CollectData in kubernetes
 * pkg/volume/downwardapi/downwardapi.go; docs/kubernetes.md#downward-api).
 */
import { extractFieldPathAsString } from '../api/field-ref.ts'
import { extractResourceValue } from '../api/resource-field-ref.ts'
import type {
  DownwardAPIVolumeFile,
  NodeInfo,
  Pod,
  ResourceFieldSelector,
} from '../api/types.ts'
import type { Collection } from './collection.ts'
import type { SourceKind } from './source-kind.ts'

/** One bad item fails the volume, but each bad item is named. */
export const downwardFiles: SourceKind<{
  readonly items: readonly DownwardAPIVolumeFile[]
}> = {
  collect({ items }, { field, defaultMode }, { pod, node }, collection) {
    const origin = { kind: 'Pod', name: pod.metadata.name } as const
    for (const [i, item] of items.entries()) {
      const itemField = `${field}.items[${i}]`
      const text = downwardText(pod, node, item, itemField, collection)
      if (text !== undefined)
        collection.addFile(
          item.path,
          { data: Buffer.from(text), mode: item.mode ?? defaultMode, origin },
          { fieldPath: `${itemField}.path`, isInPod: true },
        )
    }
  },
  references: () => [],
}

/** No newline at the end, whatever it is. */
function downwardText(
  pod: Pod,
  node: NodeInfo,
  item: DownwardAPIVolumeFile,
  field: string,
  collection: Collection,
): string | undefined {
  if (item.fieldRef !== undefined) {
    const { fieldPath } = item.fieldRef
    const text = extractFieldPathAsString(pod, fieldPath)
    if (text === undefined)
      collection.addError(
        'PROJECTION_FIELD_UNSUPPORTED',
        `${field}.fieldRef.fieldPath`,
        `unsupported fieldPath: ${fieldPath}`,
      )
    return text
  }
  // Validation demands one of the two; the kubelet makes an empty file of neither.
  if (item.resourceFieldRef === undefined) return ''
  return resourceText(
    pod,
    node,
    item.resourceFieldRef,
    `${field}.resourceFieldRef`,
    collection,
  )
}

function resourceText(
  pod: Pod,
  node: NodeInfo,
  selector: ResourceFieldSelector,
  field: string,
  collection: Collection,
): string | undefined {
  const { containerName = '' } = selector
  const container = [...pod.spec.containers, ...pod.spec.initContainers].find(
    ({ name }) => name === containerName,
  )
  if (container === undefined) {
    collection.addError(
      'PROJECTION_CONTAINER_NOT_FOUND',
      `${field}.containerName`,
      `container ${containerName} not found`,
    )
    return undefined
  }
  try {
    return extractResourceValue(container, selector, node.allocatable)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    collection.addError(
      'PROJECTION_RESOURCE_INVALID',
      `${field}.resource`,
      error.message,
    )
    return undefined
  }
}
