import { decodeObject } from '../../api/decode/decode-object.ts'
import { isMistake } from '../../api/report.ts'
import type { NewObject } from './new-object.ts'

/** What an API server would say of it; kubectl prints it all the same. */
export function problemsOf(object: NewObject): string[] {
  const nowhere = { path: '', line: 1, column: 1 }
  const { findings } = decodeObject(
    object.tree(),
    { ...nowhere, positionOf: () => nowhere },
    { namespace: object.namespace ?? 'default' },
  )
  return findings
    .filter(isMistake)
    .map(({ fieldPath, message }) =>
      [`${object.kind} ${object.name}`, fieldPath, message]
        .filter(part => part !== undefined)
        .join(': '),
    )
}
