import type { FindingList } from '../decode/finding-list.ts'
import { invalid, required, unsupported } from '../field-errors.ts'
import { splitSubscript } from '../field-ref.ts'
import type { ObjectFieldSelector, ResourceFieldSelector } from '../types.ts'
import { canonicalQuantity, parseQuantity } from '../quantity.ts'
import { qualifiedKey } from './names.ts'

/** What a downward API volume may name; labels and annotations as a whole, too. */
export const volumeFieldPaths: readonly string[] = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
]

export const envFieldPaths: readonly string[] = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]

/** pkg/apis/core/pods/helpers.go: what ConvertDownwardAPIFieldLabel lets through. */
const convertible: ReadonlySet<string> = new Set([
  ...volumeFieldPaths,
  ...envFieldPaths,
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
])

/** Kept for manifests from before v1. */
const renamed: ReadonlyMap<string, string> = new Map([
  ['spec.host', 'spec.nodeName'],
])

const resources = ['cpu', 'ephemeral-storage', 'memory']
const resourcePaths: readonly string[] = ['limits', 'requests'].flatMap(list =>
  resources.map(resource => `${list}.${resource}`),
)

export function validateFieldRef(
  ref: ObjectFieldSelector & { readonly apiVersion?: string },
  path: string,
  valid: readonly string[],
  findings: FindingList,
): void {
  const { fieldPath, apiVersion = 'v1' } = ref
  if (fieldPath === undefined) {
    findings.reject(`${path}.fieldPath`, required())
    return
  }
  const refuse = (words: string) =>
    findings.reject(
      `${path}.fieldPath`,
      invalid(fieldPath, `error converting fieldPath: ${words}`),
    )
  const subscript = splitSubscript(fieldPath)
  const converted = renamed.get(fieldPath) ?? fieldPath
  if (apiVersion !== 'v1') {
    refuse(`unsupported pod version: ${apiVersion}`)
  } else if (subscript !== undefined) {
    const { path: map, subscript: key } = subscript
    if (map !== 'metadata.labels' && map !== 'metadata.annotations') {
      refuse(`field label does not support subscript: ${fieldPath}`)
      return
    }
    const name = map === 'metadata.annotations' ? key.toLowerCase() : key
    findings.rejectEach(path, qualifiedKey(name), problem =>
      invalid(name, problem),
    )
  } else if (!convertible.has(converted)) {
    refuse(`field label not supported: ${fieldPath}`)
  } else if (!valid.includes(converted)) {
    findings.reject(`${path}.fieldPath`, unsupported(converted, valid))
  }
}

export function validateResourceFieldRef(
  ref: ResourceFieldSelector,
  path: string,
  inVolume: boolean,
  findings: FindingList,
): void {
  const { resource } = ref
  if (inVolume && ref.containerName === undefined) {
    findings.reject(`${path}.containerName`, required())
  } else if (resource === undefined) {
    findings.reject(`${path}.resource`, required())
  } else if (!isHugePages(resource) && !resourcePaths.includes(resource)) {
    findings.reject(`${path}.resource`, unsupported(resource, resourcePaths))
  }
  if (resource !== undefined) {
    validateDivisor(ref.divisor, resource, `${path}.divisor`, findings)
  }
}

function isHugePages(resource: string): boolean {
  return /^(limits|requests)\.hugepages-/.test(resource)
}

const byteDivisors = '1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei'

/** Source: validateContainerResourceDivisor; it shows the resource, not the divisor. */
function validateDivisor(
  divisor: string | undefined,
  resource: string,
  path: string,
  findings: FindingList,
): void {
  if (divisor === undefined || parseQuantity(divisor) === 0n) return
  const canonical = canonicalQuantity(divisor)
  const refuse = (what: string) =>
    findings.reject(path, invalid(resource, `only divisor's values ${what}`))
  const name = resource.replace(/^(limits|requests)\./, '')
  if (name === 'cpu') {
    if (canonical !== '1' && canonical !== '1m') {
      refuse('1m and 1 are supported with the cpu resource')
    }
  } else if (resources.includes(name) || isHugePages(resource)) {
    if (byteDivisors.split(', ').includes(canonical)) return
    const what =
      name === 'ephemeral-storage'
        ? 'local ephemeral storage'
        : name === 'memory'
          ? 'memory'
          : 'hugepages'
    refuse(`${byteDivisors} are supported with the ${what} resource`)
  }
}
