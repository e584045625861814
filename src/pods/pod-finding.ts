import type { Finding } from '../api/report.ts'
import type { Pod } from '../api/types.ts'

/** About a field of a Pod, told where it stands: in a workload, that of its template. */
export function podFinding(
  { metadata, source, workload }: Pod,
  fieldPath: string,
  about: Pick<Finding, 'treatment' | 'message' | 'fix'>,
): Finding {
  return {
    ...about,
    position: source.positionOf(fieldPath),
    object: {
      kind: workload?.kind ?? 'Pod',
      namespace: metadata.namespace,
      name: workload?.name ?? metadata.name,
    },
    fieldPath:
      workload === undefined
        ? fieldPath
        : `${workload.templatePath}.${fieldPath}`,
  }
}
