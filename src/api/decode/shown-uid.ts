import { nameBasedUuid } from '../../util/name-based-uuid.ts'
import type { ObjectMeta, ShownKind } from '../types.ts'

/**
 * What has no uid gets one that is always the same: Pods name that of their owner, and live on
 * when podfs starts anew.
 */
export function withUid(kind: ShownKind, metadata: ObjectMeta): ObjectMeta {
  const { namespace, name, uid } = metadata
  const made = `podfs-${kind.toLowerCase()} ${namespace}/${name}`
  return uid === '' ? { ...metadata, uid: nameBasedUuid(made) } : metadata
}
