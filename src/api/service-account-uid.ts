import { nameBasedUuid } from '../util/name-based-uuid.ts'

/**
 * The uid of a service account, in tokens and in its object if there is one. Always the same
 * for a namespace and a name: podfs gives tokens also where nobody has made the object.
 */
export function serviceAccountUid(namespace: string, name: string): string {
  return nameBasedUuid(`serviceaccount ${namespace}/${name}`)
}
