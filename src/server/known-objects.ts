import { objectKey } from '../api/object-key.ts'
import { serviceAccountUid } from '../api/service-account-uid.ts'
import type { Pod } from '../api/types.ts'
import type { Store } from '../store/store.ts'
import { notFound } from './api-error.ts'
import type { LivePod, SessionRecord } from './session-record.ts'

/** What the API says exists: what runs, then what the files have. */
export class KnownObjects {
  readonly #store: Store
  readonly #record: SessionRecord

  constructor(store: Store, record: SessionRecord) {
    this.#store = store
    this.#record = record
  }

  pod(namespace: string, name: string): LivePod | undefined {
    const key = objectKey('Pod', namespace, name)
    const pod = this.#store.get(key) as Pod | undefined
    return this.#record.pods.get(key) ?? (pod && { pod })
  }

  /** Throws an ApiError where there is no such Pod. */
  livePod(namespace: string, name: string): LivePod {
    const live = this.pod(namespace, name)
    if (live === undefined) throw notFound({ plural: 'pods', group: '' }, name)
    return live
  }

  /**
   * The uid of a service account, which need not be an object: there is one that is called
   * default in each namespace, and one for each Pod that names it.
   */
  serviceAccount(namespace: string, name: string): string | undefined {
    const isThere =
      name === 'default' ||
      this.#store.get(objectKey('ServiceAccount', namespace, name)) !==
        undefined ||
      [...this.#record.pods.values()].some(({ pod }) => uses(pod)) ||
      this.#store.list('Pod').some(uses)
    function uses({ metadata, spec }: Pod): boolean {
      return (
        metadata.namespace === namespace && spec.serviceAccountName === name
      )
    }
    return isThere ? serviceAccountUid(namespace, name) : undefined
  }

  secret(namespace: string, name: string): string | undefined {
    return this.#store.get('Secret', namespace, name)?.metadata.uid
  }
}
