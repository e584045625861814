/**
 * What Secrets and ConfigMaps have in common (MakePayload in kubernetes
 * pkg/volume/secret/secret.go and pkg/volume/configmap/configmap.go;
 * docs/kubernetes.md#what-a-volume-holds).
 */
import type { ObjectProjection } from '../api/types.ts'
import type { FileOrigin } from '../writer/payload.ts'
import type { Collection } from './collection.ts'
import type { SourcePlace } from './source-kind.ts'

/** All keys; with items only theirs. No source gives half its files: errors come first. */
export function collectKeys(
  data: ReadonlyMap<string, Uint8Array>,
  origin: FileOrigin,
  { items = [], optional }: ObjectProjection,
  { field, nameField, defaultMode }: SourcePlace,
  missingKey: string,
  collection: Collection,
): void {
  const itemsField = `${field}.items`
  if (items.length === 0) {
    for (const [key, bytes] of data)
      collection.addFile(
        key,
        { data: bytes, mode: defaultMode, origin },
        { fieldPath: `${field}.${nameField}`, isInPod: false },
      )
    return
  }
  // The kubelet names the first missing key of each source, and no further one.
  const missing = items.findIndex(({ key }) => !data.has(key))
  if (missing !== -1 && !optional) {
    collection.addError(
      'PROJECTION_KEY_NOT_FOUND',
      `${itemsField}[${missing}].key`,
      // Stryker disable next-line OptionalChaining: it was found among them
      `${missingKey}: ${items[missing]?.key}`,
    )
    return
  }
  for (const [i, { key, path, mode }] of items.entries()) {
    const bytes = data.get(key)
    if (bytes !== undefined)
      collection.addFile(
        path,
        { data: bytes, mode: mode ?? defaultMode, origin },
        { fieldPath: `${itemsField}[${i}].path`, isInPod: true },
      )
  }
}
