import type { FindingList } from '../decode/finding-list.ts'
import { invalid, required, unsupported } from '../field-errors.ts'
import type { ObjectFieldSelector, ResourceFieldSelector } from '../types.ts'
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

const resources = ['cpu', 'ephemeral-storage', 'memory']
const resourcePaths: readonly string[] = ['limits', 'requests'].flatMap(list =>
  resources.map(resource => `${list}.${resource}`),
)

export function validateFieldRef(
  ref: ObjectFieldSelector,
  path: string,
  valid: readonly string[],
  findings: FindingList,
): void {
  const { fieldPath } = ref
  // Absent: the table has said so already.
  if (typeof fieldPath !== 'string' || fieldPath === '') return
  const subscript = /^(.+)\['([^']*)'\]$/.exec(fieldPath)
  if (subscript !== null) {
    const [, map = '', key = ''] = subscript
    if (map !== 'metadata.labels' && map !== 'metadata.annotations') {
      findings.reject(path, invalid(fieldPath, 'does not support subscript'))
      return
    }
    const name = map === 'metadata.annotations' ? key.toLowerCase() : key
    for (const problem of qualifiedKey(name)) {
      findings.reject(path, invalid(key, problem))
    }
    return
  }
  if (!convertible.has(fieldPath)) {
    findings.reject(
      `${path}.fieldPath`,
      invalid(
        fieldPath,
        `error converting fieldPath: field label not supported: ${fieldPath}`,
      ),
    )
  } else if (!valid.includes(fieldPath)) {
    findings.reject(`${path}.fieldPath`, unsupported(fieldPath, valid))
  }
}

export function validateResourceFieldRef(
  ref: ResourceFieldSelector,
  path: string,
  inVolume: boolean,
  findings: FindingList,
): void {
  if (inVolume && ref.containerName === undefined) {
    findings.reject(`${path}.containerName`, required())
  }
  const { resource } = ref
  if (typeof resource !== 'string' || resource === '') return
  const hugePages = /^(limits|requests)\.hugepages-/.test(resource)
  if (!hugePages && !resourcePaths.includes(resource)) {
    findings.reject(`${path}.resource`, unsupported(resource, resourcePaths))
  }
}
