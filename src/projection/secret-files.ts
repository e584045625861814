import type { ObjectProjection } from '../api/types.ts'
import { collectKeys } from './key-files.ts'
import type { SourceKind } from './source-kind.ts'

export const secretFiles: SourceKind<ObjectProjection> = {
  collect(source, place, { secret }, collection) {
    const { name, optional } = source
    const found = secret(name)
    if (found !== undefined)
      collectKeys(
        found.data,
        { kind: 'Secret', name },
        source,
        place,
        'references non-existent secret key',
        collection,
      )
    // Missing and optional is the same as empty.
    else if (!optional)
      collection.addError(
        'PROJECTION_SECRET_NOT_FOUND',
        `${place.field}.${place.nameField}`,
        `secret "${name}" not found`,
      )
  },
  references: ({ name }) => [{ kind: 'Secret', name }],
}
