import type { Finding, ObjectFields } from '../api/report.ts'
import { Store } from '../store/store.ts'
import { asFailure } from '../session/failures.ts'
import { hiddenFileWarnings } from '../pods/hidden-file-warnings.ts'
import { launchWarnings } from '../pods/launch-warnings.ts'
import { thisNode } from '../pods/node-info.ts'
import { inputSource, type SessionOptions } from '../session/session.ts'

export interface Validation {
  readonly findings: readonly Finding[]
  /** Of the kinds that podfs has. */
  readonly objects: readonly ObjectFields[]
}

/** Reads everything once and returns what there is to say about it. */
export async function validate(options: SessionOptions): Promise<Validation> {
  const findings: Finding[] = []
  const objects: ObjectFields[] = []
  const store = new Store()
  const { clock, namespace, identities } = options
  const source = inputSource(options, {
    clock,
    namespace,
    identities,
    store,
    watch: false,
    report: finding => findings.push(finding),
    onFields: fields => objects.push(fields),
  })
  try {
    await source.start()
  } catch (error) {
    throw asFailure(error)
  } finally {
    await source.close()
  }
  return {
    findings: [
      ...findings,
      ...launchWarnings(store),
      ...hiddenFileWarnings(store, await thisNode()),
    ],
    objects,
  }
}
