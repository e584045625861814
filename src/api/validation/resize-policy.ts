import type { FindingList } from '../decode/finding-list.ts'
import { duplicate, invalid, required, unsupported } from '../field-errors.ts'
import type { ResizePolicy } from './unvalidated-pod.ts'

const resizable = ['cpu', 'memory']
const resizePolicies = ['NotRequired', 'RestartContainer']

/** Source: validateResizePolicy; it names the list for most of what is wrong. */
export function validateResizePolicy(
  policies: readonly ResizePolicy[],
  path: string,
  podRestartPolicy: string,
  findings: FindingList,
): void {
  const seen = new Set<string>()
  for (const [i, policy] of policies.entries()) {
    const { resourceName = '', restartPolicy = '' } = policy
    if (seen.has(resourceName)) {
      findings.reject(`${path}[${i}]`, duplicate(resourceName))
    }
    seen.add(resourceName)
    if (resourceName === '' || restartPolicy === '') {
      findings.reject(path, required())
    }
    if (resourceName !== '' && !resizable.includes(resourceName)) {
      findings.reject(path, unsupported(resourceName, resizable))
    }
    if (restartPolicy !== '' && !resizePolicies.includes(restartPolicy)) {
      findings.reject(path, unsupported(restartPolicy, resizePolicies))
    }
    if (podRestartPolicy === 'Never' && restartPolicy !== 'NotRequired') {
      findings.reject(
        path,
        invalid(
          restartPolicy,
          "must be 'NotRequired' when `restartPolicy` is 'Never'",
        ),
      )
    }
  }
}
