import type { FindingList } from '../decode/finding-list.ts'
import { required, tooMany, unsupported } from '../field-errors.ts'
import type { ContainerFields } from './unvalidated-pod.ts'

const policies = ['Always', 'Never', 'OnFailure']
const actions = ['Restart', 'RestartAllContainers']
const operators = ['In', 'NotIn']
const maxRules = 20
const maxExitCodes = 255

/** Source: pkg/apis/core/validation/validation.go, validateContainerRestartPolicy. */
export function validateRestartPolicy(
  { restartPolicy, restartPolicyRules: rules = [] }: ContainerFields,
  path: string,
  findings: FindingList,
): void {
  if (restartPolicy === undefined) {
    if (rules.length > 0)
      findings.reject(
        `${path}.restartPolicy`,
        required('must specify restartPolicy when restart rules are used'),
      )
  } else if (!policies.includes(restartPolicy)) {
    findings.reject(
      `${path}.restartPolicy`,
      unsupported(restartPolicy, policies),
    )
  }
  if (rules.length > maxRules)
    findings.reject(
      `${path}.restartPolicyRules`,
      tooMany(rules.length, maxRules),
    )
  for (const [i, { action = '', exitCodes }] of rules.entries()) {
    const at = `${path}.restartPolicyRules[${i}]`
    if (!actions.includes(action))
      findings.reject(`${at}.action`, unsupported(action, actions))
    if (exitCodes === undefined) {
      findings.reject(`${at}.exitCodes`, required('must be specified'))
      continue
    }
    const { operator = '', values = [] } = exitCodes
    if (!operators.includes(operator))
      findings.reject(
        `${at}.exitCodes.operator`,
        unsupported(operator, operators),
      )
    if (values.length > maxExitCodes)
      findings.reject(
        `${at}.exitCodes.values`,
        tooMany(values.length, maxExitCodes),
      )
  }
}
