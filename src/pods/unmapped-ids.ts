import type { Finding } from '../api/report.ts'
import type { Pod } from '../api/types.ts'
import { ownIdMaps } from '../linux/user-namespace.ts'
import { unmappedIds } from '../runner/launch/unmapped-ids.ts'
import { ownNamespace } from '../session/user-namespace.ts'
import { Failure } from '../util/failure.ts'
import { podFinding } from './pod-finding.ts'

/** Before anything is started: users and groups that podfs cannot be here, with the way to them. */
export function refuseUnmappedIds(
  pods: readonly Pod[],
  report: (finding: Finding) => void,
): void {
  const maps = ownIdMaps()
  if (maps === undefined) return
  const { lack } = ownNamespace() ?? {}
  const findings = pods.flatMap(pod =>
    unmappedIds(pod, maps).map(({ fieldPath, message }) =>
      podFinding(pod, fieldPath, {
        treatment: 'rejected',
        message: lack === undefined ? message : `${message}: ${lack.why}`,
        ...(lack && { fix: lack.fix }),
      }),
    ),
  )
  if (findings.length === 0) return
  for (const finding of findings) report(finding)
  throw new Failure(
    'failed',
    'podfs lacks users or groups here; nothing was started',
  )
}
