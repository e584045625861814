import type { FindingList } from '../decode/finding-list.ts'
import { forbidden, invalid, required } from '../field-errors.ts'
import type { Lifecycle } from '../types.ts'

const handlerTypes = ['exec', 'httpGet', 'tcpSocket', 'sleep']

/** Source: pkg/apis/core/validation/validation.go, validateHandler. */
export function validateLifecycle(
  lifecycle: Lifecycle | undefined,
  path: string,
  graceSeconds: number,
  findings: FindingList,
): void {
  for (const hook of ['postStart', 'preStop'] as const) {
    const handler = lifecycle?.[hook]
    if (handler === undefined) continue
    const present = handlerTypes.filter(type => Object.hasOwn(handler, type))
    if (present.length === 0) {
      findings.reject(
        `${path}.${hook}`,
        required('must specify a handler type'),
      )
    }
    for (const type of present.slice(1)) {
      findings.reject(
        `${path}.${hook}.${type}`,
        forbidden('may not specify more than 1 handler type'),
      )
    }
    const seconds = handler.sleep?.seconds
    if (
      present[0] === 'sleep' &&
      seconds !== undefined &&
      (seconds < 0 || seconds > graceSeconds)
    ) {
      findings.reject(
        `${path}.${hook}.sleep`,
        invalid(
          seconds,
          `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`,
        ),
      )
    }
  }
}
