import type { ServiceAccountTokenProjection } from '../api/types.ts'
import { ownedFile } from './owned-file.ts'
import type { SourceKind } from './source-kind.ts'

export const tokenFiles: SourceKind<ServiceAccountTokenProjection> = {
  collect(source, { field, defaultMode }, { pod, token }, collection) {
    const found = token(source)
    if (typeof found === 'string')
      collection.addFile(
        source.path,
        {
          data: Buffer.from(found),
          ...ownedFile(pod, defaultMode),
          origin: {
            kind: 'ServiceAccount',
            name: pod.spec.serviceAccountName,
          },
        },
        { fieldPath: `${field}.path`, isInPod: true },
      )
    else
      collection.addError('PROJECTION_TOKEN_UNAVAILABLE', field, found.message)
  },
  references: () => [],
}
