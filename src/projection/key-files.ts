/**
 * The files of a Secret or a ConfigMap (MakePayload in kubernetes pkg/volume/secret/secret.go
 * and pkg/volume/configmap/configmap.go; docs/kubernetes.md#what-a-volume-holds).
 */
import type { ConfigMap, KeyToPath, Secret } from '../api/types.ts'
import type { FileOrigin } from '../writer/payload.ts'
import type { Collection } from './collection.ts'

interface KeySource {
  readonly name: string
  readonly items?: readonly KeyToPath[]
  readonly optional: boolean
  readonly defaultMode: number
  /** The field that holds `name`, and the one that would hold `items`. */
  readonly nameField: string
  readonly itemsField: string
}

export function collectSecret(
  secret: Secret | undefined,
  source: KeySource,
  collection: Collection,
): void {
  if (secret === undefined) {
    // Missing and optional is the same as empty.
    if (!source.optional)
      collection.addError(
        'PROJECTION_SECRET_NOT_FOUND',
        source.nameField,
        `secret "${source.name}" not found`,
      )
    return
  }
  collectKeys(
    secret.data,
    { kind: 'Secret', name: source.name },
    source,
    'references non-existent secret key',
    collection,
  )
}

export function collectConfigMap(
  configMap: ConfigMap | undefined,
  source: KeySource,
  collection: Collection,
): void {
  if (configMap === undefined) {
    if (!source.optional)
      collection.addError(
        'PROJECTION_CONFIGMAP_NOT_FOUND',
        source.nameField,
        `configmap "${source.name}" not found`,
      )
    return
  }
  // No key is in both: validation sees to that.
  const files = new Map<string, Uint8Array>()
  for (const [key, text] of configMap.data) files.set(key, Buffer.from(text))
  for (const [key, bytes] of configMap.binaryData) files.set(key, bytes)
  collectKeys(
    files,
    { kind: 'ConfigMap', name: source.name },
    source,
    'configmap references non-existent config key',
    collection,
  )
}

/** All keys; with items only theirs. No source gives half its files: errors come first. */
function collectKeys(
  data: ReadonlyMap<string, Uint8Array>,
  origin: FileOrigin,
  source: KeySource,
  missingKey: string,
  collection: Collection,
): void {
  const { items = [], optional, defaultMode, nameField, itemsField } = source
  if (items.length === 0) {
    for (const [key, bytes] of data)
      collection.addFile(
        key,
        { data: bytes, mode: defaultMode, origin },
        { fieldPath: nameField, isInPod: false },
      )
    return
  }
  // The kubelet names the first missing key of each source, and no further one.
  const missing = items.findIndex(({ key }) => !data.has(key))
  if (missing !== -1 && !optional) {
    collection.addError(
      'PROJECTION_KEY_NOT_FOUND',
      `${itemsField}[${missing}].key`,
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
