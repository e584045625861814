import type { FindingList } from '../decode/finding-list.ts'
import { forbidden, invalid, required } from '../field-errors.ts'
import type {
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../types.ts'
import { validateMode, validateNonReservedPath } from './paths.ts'
import { validateDownwardFile, validateItems } from './volume-items.ts'

const projections = [
  'secret',
  'configMap',
  'downwardAPI',
  'serviceAccountToken',
] as const

/**
 * Paths that stand in the volume must differ as they are written. The API server does not
 * compare the keys of a source without items, the token's path, and `a` with `a/b`
 * (validateProjectionSources, pkg/apis/core/validation/validation.go).
 */
export function validateProjected(
  projected: ProjectedVolumeSource,
  path: string,
  findings: FindingList,
): void {
  validateMode(projected.defaultMode, `${path}.defaultMode`, findings)
  const paths = new Set<string>()
  const claim = (target: string, offender: string) => {
    if (target !== '' && paths.has(target)) {
      findings.reject(path, invalid(offender, 'conflicting duplicate paths'))
    }
    paths.add(target)
  }
  for (const [i, source] of projected.sources.entries()) {
    const sourcePath = `${path}.sources[${i}]`
    validateOneProjection(source, sourcePath, findings)
    for (const kind of ['secret', 'configMap'] as const) {
      const items = source[kind]?.items
      validateItems(items, `${sourcePath}.${kind}.items`, findings)
      for (const item of items ?? []) {
        claim(item.path ?? '', source[kind]?.name ?? '')
      }
    }
    for (const item of source.downwardAPI?.items ?? []) {
      validateDownwardFile(item, `${sourcePath}.downwardAPI`, findings)
      claim(item.path, item.path)
    }
    if (source.serviceAccountToken !== undefined) {
      validateToken(source.serviceAccountToken, path, sourcePath, findings)
    }
  }
}

function validateOneProjection(
  source: VolumeProjection,
  path: string,
  findings: FindingList,
): void {
  const present = projections.filter(kind => source[kind] !== undefined)
  if (present.length > 1) {
    findings.reject(
      path,
      forbidden('may not specify more than 1 volume type per source'),
    )
  }
}

function validateToken(
  token: ServiceAccountTokenProjection,
  projectedPath: string,
  sourcePath: string,
  findings: FindingList,
): void {
  const { expirationSeconds, path } = token
  const field = `${sourcePath}.serviceAccountToken.expirationSeconds`
  if (expirationSeconds < 600) {
    findings.reject(
      field,
      invalid(
        expirationSeconds,
        'may not specify a duration less than 10 minutes',
      ),
    )
  } else if (expirationSeconds > 2 ** 32) {
    findings.reject(
      field,
      invalid(
        expirationSeconds,
        'may not specify a duration larger than 2^32 seconds',
      ),
    )
  }
  if (path === '') findings.reject(`${projectedPath}.path`, required())
  else validateNonReservedPath(path, `${projectedPath}.path`, findings)
}
