import type { FindingList } from '../decode/finding-list.ts'
import { duplicate, forbidden, invalid, required } from '../field-errors.ts'
import { parseQuantity } from '../quantity.ts'
import type { Volume } from '../types.ts'
import { dns1123Label } from './names.ts'
import { validateMode } from './paths.ts'
import { validateProjected } from './projected-volume.ts'
import { validateDownwardFile, validateItems } from './volume-items.ts'

/** In the order in which the API server looks: the second one found is the one too many. */
const sources = [
  'emptyDir',
  'hostPath',
  'secret',
  'persistentVolumeClaim',
  'downwardAPI',
  'configMap',
  'projected',
] as const

/**
 * Source: pkg/apis/core/validation/validation.go, ValidateVolumes. Returns the names of the
 * volumes that are valid: a container can mount no other.
 */
export function validateVolumes(
  volumes: readonly Volume[],
  findings: FindingList,
): ReadonlySet<string> {
  const names = new Set<string>()
  for (const [i, volume] of volumes.entries()) {
    const path = `spec.volumes[${i}]`
    const { name } = volume
    validateSource(volume, path, findings)
    if (name === undefined) continue
    findings.rejectEach(`${path}.name`, dns1123Label(name), problem =>
      invalid(name, problem),
    )
    if (names.has(name)) findings.reject(`${path}.name`, duplicate(name))
    if (!findings.isInvalid(path)) names.add(name)
  }
  return names
}

function validateSource(
  volume: Volume,
  path: string,
  findings: FindingList,
): void {
  const present = sources.filter(source => volume[source] !== undefined)
  for (const source of present.slice(1)) {
    findings.reject(
      // So spelled by the API server.
      `${path}.${source === 'downwardAPI' ? 'downwarAPI' : source}`,
      forbidden('may not specify more than 1 volume type'),
      'several sources in one directory are a projected volume',
    )
  }
  const [source] = present
  switch (source) {
    case 'secret':
    case 'configMap': {
      const { defaultMode, items } = volume[source] ?? {}
      const field = source === 'secret' ? 'secretName' : 'name'
      const name = volume.secret?.secretName ?? volume.configMap?.name
      if (name === undefined) {
        findings.reject(`${path}.${source}.${field}`, required())
      }
      validateMode(defaultMode, `${path}.${source}.defaultMode`, findings)
      validateItems(items, `${path}.${source}.items`, findings)
      return
    }
    case 'downwardAPI': {
      const { defaultMode, items } = volume.downwardAPI ?? {}
      validateMode(defaultMode, `${path}.downwardAPI.defaultMode`, findings)
      for (const item of items ?? []) {
        validateDownwardFile(item, `${path}.downwardAPI`, findings)
      }
      return
    }
    case 'projected':
      if (volume.projected !== undefined) {
        validateProjected(volume.projected, `${path}.projected`, findings)
      }
      return
    case 'hostPath': {
      const hostPath = volume.hostPath?.path
      if (hostPath === undefined) {
        findings.reject(`${path}.hostPath.path`, required())
      }
      // ValidatePathNoBacksteps
      if (hostPath?.split('/').includes('..') === true) {
        findings.reject(
          `${path}.hostPath.path`,
          invalid(hostPath, "must not contain '..'"),
        )
      }
      return
    }
    case 'persistentVolumeClaim':
      if (!volume.persistentVolumeClaim?.claimName)
        findings.reject(`${path}.persistentVolumeClaim.claimName`, required())
      return
    case 'emptyDir':
      warnOfMedium(volume.emptyDir?.medium, `${path}.emptyDir.medium`, findings)
      validateSizeLimit(volume, path, findings)
      return
    case undefined:
  }
}

/** The API server takes any word here, and the kubelet then cannot mount it. */
function warnOfMedium(
  medium: string | undefined,
  path: string,
  findings: FindingList,
): void {
  if (medium === undefined || medium === '' || medium === 'Memory') return
  findings.add(
    'ignored',
    path,
    /^HugePages(-|$)/.test(medium)
      ? 'podfs gives no huge pages: the Pod will not start; use medium: Memory'
      : `unknown storage medium ${JSON.stringify(medium)}: the Pod will not start`,
  )
}

function validateSizeLimit(
  { emptyDir }: Volume,
  path: string,
  findings: FindingList,
): void {
  const limit = emptyDir?.sizeLimit
  if (limit === undefined || (parseQuantity(limit) ?? 0n) >= 0n) return
  findings.reject(
    `${path}.emptyDir.sizeLimit`,
    forbidden('SizeLimit field must be a valid resource quantity'),
  )
}
