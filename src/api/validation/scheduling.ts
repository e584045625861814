import type { FindingList } from '../decode/finding-list.ts'
import {
  duplicate,
  forbidden,
  invalid,
  required,
  unsupported,
} from '../field-errors.ts'
import type { NodeSelectorTerm, Requirement } from '../types.ts'
import {
  dns1123Label,
  dns1123Subdomain,
  qualifiedKey,
  validLabelValue,
} from './names.ts'
import type {
  Affinity,
  PodAffinity,
  PodAffinityTerm,
  PodFields,
  TolerationFields,
  TopologySpreadConstraint,
} from './unvalidated-pod.ts'
import {
  validateLabelKey,
  validateLabelSelector,
  validateMatchLabelKeys,
  validateSetOperator,
} from './selectors.ts'

const requiredTerms = 'requiredDuringSchedulingIgnoredDuringExecution'
const preferredTerms = 'preferredDuringSchedulingIgnoredDuringExecution'

/** Where a scheduler would put the Pod; podfs has one node, but a mistake is a mistake. */
export function validateScheduling(
  spec: PodFields,
  findings: FindingList,
): void {
  validateAffinity(spec.affinity, findings)
  validateTolerations(spec.tolerations ?? [], findings)
  validateSpread(spec.topologySpreadConstraints ?? [], findings)
  validateGates(spec, findings)
}

function validateAffinity(
  affinity: Affinity | undefined,
  findings: FindingList,
): void {
  const path = 'spec.affinity'
  const node = affinity?.nodeAffinity
  const selector = node?.[requiredTerms]
  if (selector !== undefined) {
    const at = `${path}.nodeAffinity.${requiredTerms}.nodeSelectorTerms`
    const terms = selector.nodeSelectorTerms ?? []
    if (terms.length === 0) {
      findings.reject(at, required('must have at least one node selector term'))
    }
    for (const [i, term] of terms.entries()) {
      validateNodeTerm(term, `${at}[${i}]`, true, findings)
    }
  }
  for (const [i, term] of (node?.[preferredTerms] ?? []).entries()) {
    const at = `${path}.nodeAffinity.${preferredTerms}[${i}]`
    validateWeight(term.weight, `${at}.weight`, findings)
    // A label that cannot be is only warned of here.
    validateNodeTerm(term.preference ?? {}, `${at}.preference`, false, findings)
  }
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    validatePodAffinity(affinity?.[kind], `${path}.${kind}`, findings)
  }
}

function validateWeight(
  weight: number = 0,
  path: string,
  findings: FindingList,
): void {
  if (weight < 1 || weight > 100) {
    findings.reject(path, invalid(weight, 'must be in the range 1-100'))
  }
}

function validateNodeTerm(
  term: NodeSelectorTerm,
  path: string,
  checkValues: boolean,
  findings: FindingList,
): void {
  for (const [i, requirement] of (term.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${i}]`
    const { operator, values = [] } = requirement
    if (operator === 'Gt' || operator === 'Lt') {
      if (values.length !== 1) {
        findings.reject(
          `${at}.values`,
          required(
            "must be specified single value when `operator` is 'Lt' or 'Gt'",
          ),
        )
      }
    } else {
      validateSetOperator(requirement, at, findings)
    }
    validateLabelKey(requirement.key, `${at}.key`, findings)
    if (!checkValues) continue
    for (const [j, value] of values.entries()) {
      findings.rejectEach(
        `${at}.values[${j}]`,
        validLabelValue(value),
        problem => invalid(value, problem),
      )
    }
  }
  for (const [i, requirement] of (term.matchFields ?? []).entries()) {
    validateNodeField(requirement, `${path}.matchFields[${i}]`, findings)
  }
}

function validateNodeField(
  requirement: Requirement,
  path: string,
  findings: FindingList,
): void {
  const { key = '', operator = '', values = [] } = requirement
  if (operator !== 'In' && operator !== 'NotIn') {
    findings.reject(
      `${path}.operator`,
      invalid(operator, 'not a valid selector operator'),
    )
  } else if (values.length !== 1) {
    findings.reject(
      `${path}.values`,
      required(
        "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
      ),
    )
  }
  if (key !== 'metadata.name') {
    findings.reject(
      `${path}.key`,
      invalid(key, 'not a valid field selector key'),
    )
    return
  }
  for (const [i, value] of values.entries()) {
    findings.rejectEach(
      `${path}.values[${i}]`,
      dns1123Subdomain(value),
      problem => invalid(value, problem),
    )
  }
}

function validatePodAffinity(
  affinity: PodAffinity | undefined,
  path: string,
  findings: FindingList,
): void {
  for (const [i, term] of (affinity?.[requiredTerms] ?? []).entries()) {
    validatePodTerm(term, `${path}.${requiredTerms}[${i}]`, findings)
  }
  for (const [i, term] of (affinity?.[preferredTerms] ?? []).entries()) {
    const at = `${path}.${preferredTerms}[${i}]`
    validateWeight(term.weight, `${at}.weight`, findings)
    validatePodTerm(
      term.podAffinityTerm ?? {},
      `${at}.podAffinityTerm`,
      findings,
    )
  }
}

function validatePodTerm(
  term: PodAffinityTerm,
  path: string,
  findings: FindingList,
): void {
  const { labelSelector, namespaceSelector, topologyKey = '' } = term
  validateLabelSelector(labelSelector, `${path}.labelSelector`, findings)
  validateLabelSelector(
    namespaceSelector,
    `${path}.namespaceSelector`,
    findings,
  )
  for (const namespace of term.namespaces ?? []) {
    findings.rejectEach(`${path}.namespace`, dns1123Label(namespace), problem =>
      invalid(namespace, problem),
    )
  }
  validateMatchLabelKeys(term, path, findings)
  if (topologyKey === '') {
    findings.reject(`${path}.topologyKey`, required('can not be empty'))
  }
  validateLabelKey(topologyKey, `${path}.topologyKey`, findings)
}

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

/** Source: ValidateTolerations. */
function validateTolerations(
  tolerations: readonly TolerationFields[],
  findings: FindingList,
): void {
  for (const [i, toleration] of tolerations.entries()) {
    const at = `spec.tolerations[${i}]`
    const { key = '', operator = '', value = '', effect = '' } = toleration
    if (key !== '') validateLabelKey(key, `${at}.key`, findings)
    else if (operator !== 'Exists') {
      findings.reject(
        `${at}.operator`,
        invalid(
          operator,
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      )
    }
    if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute') {
      findings.reject(
        `${at}.effect`,
        invalid(
          effect,
          "effect must be 'NoExecute' when `tolerationSeconds` is set",
        ),
      )
    }
    if (operator === 'Exists') {
      if (value !== '') {
        findings.reject(
          `${at}.operator`,
          invalid(value, "value must be empty when `operator` is 'Exists'"),
        )
      }
    } else if (operator === 'Equal' || operator === '') {
      const problems = validLabelValue(value)
      if (problems.length > 0) {
        findings.reject(`${at}.operator`, invalid(value, problems.join(';')))
      }
    } else {
      findings.reject(
        `${at}.operator`,
        unsupported(operator, ['Equal', 'Exists']),
      )
    }
    if (effect !== '' && !effects.includes(effect)) {
      findings.reject(`${at}.effect`, unsupported(effect, effects))
    }
  }
}

const actions = ['DoNotSchedule', 'ScheduleAnyway']
const inclusionPolicies = ['Honor', 'Ignore']

/** Source: validateTopologySpreadConstraints. */
function validateSpread(
  constraints: readonly TopologySpreadConstraint[],
  findings: FindingList,
): void {
  const key = (constraint: TopologySpreadConstraint): string =>
    `{${constraint.topologyKey ?? ''}, ${constraint.whenUnsatisfiable ?? ''}}`
  for (const [i, constraint] of constraints.entries()) {
    const at = `spec.topologySpreadConstraints[${i}]`
    const { maxSkew = 0, topologyKey = '', minDomains } = constraint
    const action = constraint.whenUnsatisfiable ?? ''
    if (maxSkew <= 0) {
      findings.reject(
        `${at}.maxSkew`,
        invalid(maxSkew, 'must be greater than zero'),
      )
    }
    if (topologyKey === '') {
      findings.reject(`${at}.topologyKey`, required('can not be empty'))
    }
    if (!actions.includes(action)) {
      findings.reject(`${at}.whenUnsatisfiable`, unsupported(action, actions))
    }
    const later = constraints.slice(i + 1)
    if (later.some(other => key(other) === key(constraint))) {
      findings.reject(
        `${at}.{topologyKey, whenUnsatisfiable}`,
        duplicate(key(constraint)),
      )
    }
    if (minDomains !== undefined) {
      if (minDomains <= 0) {
        findings.reject(
          `${at}.minDomains`,
          invalid(minDomains, 'must be greater than zero'),
        )
      }
      if (action !== 'DoNotSchedule') {
        findings.reject(
          `${at}.minDomains`,
          invalid(
            minDomains,
            `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${action}`,
          ),
        )
      }
    }
    for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
      const policy = constraint[field]
      if (policy !== undefined && !inclusionPolicies.includes(policy)) {
        findings.reject(
          `${at}.${field}`,
          unsupported(policy, inclusionPolicies),
        )
      }
    }
    validateMatchLabelKeys(constraint, at, findings)
    validateLabelSelector(
      constraint.labelSelector,
      `${at}.labelSelector`,
      findings,
    )
  }
}

function validateGates(spec: PodFields, findings: FindingList): void {
  for (const [i, gate] of (spec.readinessGates ?? []).entries()) {
    const { conditionType = '' } = gate
    findings.rejectEach(
      `spec.readinessGates[${i}].conditionType`,
      qualifiedKey(conditionType),
      problem => invalid(conditionType, problem),
    )
  }
  const names = new Set<string>()
  for (const [i, { name = '' }] of (spec.schedulingGates ?? []).entries()) {
    const at = `spec.schedulingGates[${i}]`
    findings.rejectEach(at, qualifiedKey(name), problem =>
      invalid(name, problem),
    )
    if (names.has(name)) findings.reject(at, duplicate(name))
    names.add(name)
  }
  if (names.size > 0 && spec.nodeName !== undefined) {
    findings.reject(
      'spec.nodeName',
      forbidden('cannot be set until all schedulingGates have been cleared'),
    )
  }
}
