import type { ObjectProjection } from '../api/types.ts'
import { collectKeys } from './key-files.ts'
import type { SourceKind } from './source-kind.ts'

export const configMapFiles: SourceKind<ObjectProjection> = {
  collect(source, place, { configMap }, collection) {
    const { name, optional } = source
    const found = configMap(name)
    if (found === undefined) {
      // Missing and optional is the same as empty.
      if (!optional)
        collection.addError(
          'PROJECTION_CONFIGMAP_NOT_FOUND',
          `${place.field}.${place.nameField}`,
          `configmap "${name}" not found`,
        )
      return
    }
    // No key is in both: validation sees to that.
    const files = new Map<string, Uint8Array>()
    for (const [key, text] of found.data) files.set(key, Buffer.from(text))
    for (const [key, bytes] of found.binaryData) files.set(key, bytes)
    collectKeys(
      files,
      { kind: 'ConfigMap', name },
      source,
      place,
      'configmap references non-existent config key',
      collection,
    )
  },
  references: ({ name }) => [{ kind: 'ConfigMap', name }],
}
