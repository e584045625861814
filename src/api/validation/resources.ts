import type { FindingList } from '../decode/finding-list.ts'
import { forbidden, invalid, required, unsupported } from '../field-errors.ts'
import {
  canonicalQuantity,
  formatQuantity,
  parseQuantity,
  quantityMilliValue,
  quantityValue,
  type Nanos,
} from '../quantity.ts'
import { qualifiedKey } from './names.ts'
import type {
  ContainerFields,
  PodFields,
  PodResourceClaim,
  ResourceFields,
} from './unvalidated-pod.ts'
import { validateClaims } from './resource-claims.ts'

type CheckName = (name: string, path: string, findings: FindingList) => void

/** Source: ValidateContainerResourceRequirements. */
export function validateContainerResources(
  resources: ResourceFields,
  path: string,
  podClaims: readonly PodResourceClaim[],
  findings: FindingList,
): void {
  validateResources(resources, path, checkContainerName, findings)
  validateClaims(resources, path, podClaims, findings)
}

/** `overhead` is a list of limits in the eyes of the API server. */
export function validateOverhead(
  overhead: ReadonlyMap<string, string> | undefined,
  findings: FindingList,
): void {
  if (overhead === undefined) return
  validateResources(
    { limits: overhead, requests: new Map() },
    'spec.overhead',
    checkContainerName,
    findings,
  )
}

/** Source: validatePodResources. */
export function validatePodResources(
  spec: PodFields,
  findings: FindingList,
): void {
  const path = 'spec.resources'
  const resources = podResources(spec)
  if (resources === undefined) return
  if (spec.os?.name === 'windows') {
    findings.reject(path, forbidden('may not be set for a windows pod'))
    return
  }
  if (resources.claims !== undefined) {
    findings.reject(
      `${path}.claims`,
      forbidden('claims may not be set for Resources at pod-level'),
    )
  }
  validateResources(resources, path, checkPodName, findings)
  validateClaims(resources, path, spec.resourceClaims ?? [], findings)
  for (const [name, request] of resources.requests) {
    const sum = aggregateRequests(spec, name)
    if (sum > nanos(request)) {
      findings.reject(
        `${path}.requests[${name}]`,
        invalid(
          format(request),
          `must be greater than or equal to aggregate container requests of ${formatQuantity(sum, request)}`,
        ),
      )
    }
  }
  for (const [i, container] of (spec.containers ?? []).entries()) {
    for (const [name, limit] of container.resources.limits) {
      const podLimit = resources.limits.get(name)
      if (podLimit === undefined || nanos(limit) <= nanos(podLimit)) continue
      findings.reject(
        `${path}.containers[${i}][${name}].limits`,
        invalid(
          format(limit),
          `must be less than or equal to pod limits of ${format(podLimit)}`,
        ),
      )
    }
  }
}

/** defaultPodRequests: what is limited and not requested is requested as the containers do. */
export function podResources(spec: PodFields): ResourceFields | undefined {
  const { resources } = spec
  if (resources === undefined || resources.limits.size === 0) return resources
  const requests = new Map(
    [...resources.limits].filter(([name]) => isForPods(name)),
  )
  for (const name of ['cpu', 'memory']) {
    const like = (spec.containers ?? [])
      .map(container => container.resources.requests.get(name))
      .find(request => request !== undefined)
    if (like === undefined) continue
    requests.set(name, formatQuantity(aggregateRequests(spec, name), like))
  }
  for (const [name, request] of resources.requests) requests.set(name, request)
  return { ...resources, requests }
}

/** AggregateContainerRequests: init containers count by the hungriest of them. */
function aggregateRequests(spec: PodFields, name: string): Nanos {
  const requestOf = ({ resources }: ContainerFields): Nanos =>
    nanos(resources.requests.get(name) ?? '0')
  let sidecars = 0n
  let most = 0n
  for (const container of spec.initContainers) {
    const request = requestOf(container)
    if (container.restartPolicy === 'Always') sidecars += request
    const use =
      container.restartPolicy === 'Always' ? sidecars : sidecars + request
    if (use > most) most = use
  }
  const running = (spec.containers ?? [])
    .map(requestOf)
    .reduce((sum, request) => sum + request, sidecars)
  return running > most ? running : most
}

function validateResources(
  resources: ResourceFields,
  path: string,
  checkName: CheckName,
  findings: FindingList,
): void {
  const { limits, requests } = resources
  for (const [list, quantities] of Object.entries({ limits, requests })) {
    for (const [name, quantity] of quantities) {
      const at = `${path}.${list}[${name}]`
      checkName(name, at, findings)
      validateQuantity(name, quantity, at, findings)
    }
  }
  for (const [name, request] of requests) {
    validateRequest(name, request, limits.get(name), path, findings)
  }
  const names = [...limits.keys(), ...requests.keys()]
  if (
    names.some(isHugePages) &&
    !names.includes('cpu') &&
    !names.includes('memory')
  ) {
    findings.reject(path, forbidden('HugePages require cpu or memory'))
  }
}

function validateQuantity(
  name: string,
  quantity: string,
  path: string,
  findings: FindingList,
): void {
  const amount = nanos(quantity)
  if (amount < 0n) {
    findings.reject(
      path,
      invalid(format(quantity), 'must be greater than or equal to 0'),
    )
  }
  const inPieces = integerResources.has(name) || isExtended(name)
  if (inPieces && quantityMilliValue(amount) % 1000n !== 0n) {
    findings.reject(path, invalid(format(quantity), 'must be an integer'))
  }
  if (isHugePages(name) && !isWholePages(name, amount)) {
    const text = format(quantity)
    findings.reject(
      path,
      invalid(text, `${text} is not positive integer multiple of ${name}`),
    )
  }
}

function validateRequest(
  name: string,
  request: string,
  limit: string | undefined,
  path: string,
  findings: FindingList,
): void {
  const overcommit = isNative(name) && !isHugePages(name)
  if (limit === undefined) {
    if (!overcommit) {
      findings.reject(
        `${path}.limits`,
        required('Limit must be set for non overcommitable resources'),
      )
    }
    return
  }
  const over = nanos(request) - nanos(limit)
  if (over === 0n || (over < 0n && overcommit)) return
  const relation = overcommit ? 'less than or equal' : 'equal'
  findings.reject(
    `${path}.requests`,
    invalid(
      format(request),
      `must be ${relation} to ${name} limit of ${format(limit)}`,
    ),
  )
}

/**
 * Resources are rounded up to thousandths (SetDefaults_ResourceList). The decoder lets only
 * quantities through.
 */
function nanos(quantity: string): Nanos {
  return quantityMilliValue(parseQuantity(quantity) ?? 0n) * 1_000_000n
}

function format(quantity: string): string {
  const rounded = nanos(quantity)
  return rounded === parseQuantity(quantity)
    ? canonicalQuantity(quantity)
    : formatQuantity(rounded, quantity)
}

const containerResources = ['cpu', 'memory', 'ephemeral-storage']

// Stryker disable ArrayDeclaration,StringLiteral: a test would repeat it
/** Resources that are counted in pieces (helpers.go, integerResources). */
const integerResources: ReadonlySet<string> = new Set([
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
])

/** helpers.go, standardResources. */
const standardResources: ReadonlySet<string> = new Set([
  ...integerResources,
  ...containerResources,
  ...containerResources.flatMap(name => [`requests.${name}`, `limits.${name}`]),
  'storage',
  'requests.storage',
])
// Stryker restore ArrayDeclaration,StringLiteral

function isHugePages(name: string): boolean {
  return name.startsWith('hugepages-')
}

function isWholePages(name: string, amount: Nanos): boolean {
  const size = parseQuantity(name.slice('hugepages-'.length))
  return (
    size !== undefined &&
    size > 0n &&
    quantityMilliValue(size) % 1000n === 0n &&
    quantityValue(amount) % quantityValue(size) === 0n
  )
}

function isNative(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/')
}

function isExtended(name: string): boolean {
  return (
    !isNative(name) &&
    !name.startsWith('requests.') &&
    qualifiedKey(`requests.${name}`).length === 0
  )
}

/** Whether it is a resource at all; false when that was said. */
function checkName(name: string, path: string, findings: FindingList): boolean {
  const problems = qualifiedKey(name)
  findings.rejectEach(path, problems, problem => invalid(name, problem))
  if (problems.length > 0) return false
  const standard =
    name.includes('/') ||
    standardResources.has(name) ||
    isHugePages(name) ||
    name.startsWith('requests.hugepages-')
  if (!standard) {
    findings.reject(
      path,
      invalid(name, 'must be a standard resource type or fully qualified'),
    )
  }
  return standard
}

function checkContainerName(
  name: string,
  path: string,
  findings: FindingList,
): void {
  checkName(name, path, findings)
  if (!name.includes('/')) {
    if (!containerResources.includes(name) && !isHugePages(name)) {
      findings.reject(
        path,
        invalid(name, 'must be a standard resource for containers'),
      )
    }
  } else if (!isNative(name) && !isExtended(name)) {
    findings.reject(
      path,
      invalid(name, "doesn't follow extended resource name standard"),
    )
  }
}

function isForPods(name: string): boolean {
  return name === 'cpu' || name === 'memory' || isHugePages(name)
}

function checkPodName(name: string, path: string, findings: FindingList): void {
  if (!checkName(name, path, findings)) return
  if (isForPods(name)) return
  findings.reject(path, unsupported(name, ['cpu', 'hugepages-', 'memory']))
}
