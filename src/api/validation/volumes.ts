import type { FindingList } from '../decode/finding-list.ts'
import { duplicate, forbidden, invalid, required } from '../field-errors.ts'
import type {
  DownwardAPIVolumeFile,
  KeyToPath,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
  Volume,
  VolumeProjection,
} from '../types.ts'
import { dns1123Label } from './names.ts'
import { validateMode, validateNonReservedPath } from './paths.ts'
import {
  validateFieldRef,
  validateResourceFieldRef,
  volumeFieldPaths,
} from './references.ts'

/** In the order in which the API server looks: the second one found is the one too many. */
const sources = [
  'emptyDir',
  'hostPath',
  'secret',
  'downwardAPI',
  'configMap',
  'projected',
] as const

/** Source: pkg/apis/core/validation/validation.go, ValidateVolumes. */
export function validateVolumes(
  volumes: readonly Volume[],
  findings: FindingList,
): void {
  const names = new Set<string>()
  for (const [i, volume] of volumes.entries()) {
    const path = `spec.volumes[${i}]`
    if (volume.name !== undefined) {
      for (const problem of dns1123Label(volume.name)) {
        findings.reject(`${path}.name`, invalid(volume.name, problem))
      }
      if (names.has(volume.name)) {
        findings.reject(`${path}.name`, duplicate(volume.name))
      }
      names.add(volume.name)
    }
    validateSource(volume, path, findings)
  }
}

function validateSource(
  volume: Volume,
  path: string,
  findings: FindingList,
): void {
  const present = sources.filter(source => volume[source] !== undefined)
  for (const source of present.slice(1)) {
    findings.reject(
      `${path}.${source}`,
      forbidden('may not specify more than 1 volume type'),
    )
  }
  const [source] = present
  switch (source) {
    case 'secret':
    case 'configMap': {
      const { defaultMode, items } = volume[source] ?? {}
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
      // ValidatePathNoBacksteps
      if (hostPath?.split('/').includes('..') === true) {
        findings.reject(
          `${path}.hostPath.path`,
          invalid(hostPath, "must not contain '..'"),
        )
      }
      return
    }
    case 'emptyDir':
      if (volume.emptyDir?.sizeLimit?.startsWith('-') === true) {
        findings.reject(
          `${path}.emptyDir.sizeLimit`,
          forbidden('SizeLimit field must be a valid resource quantity'),
        )
      }
      return
    case undefined:
  }
}

function validateItems(
  items: readonly KeyToPath[] | undefined,
  path: string,
  findings: FindingList,
): void {
  for (const [i, item] of (items ?? []).entries()) {
    if (item.path !== undefined) {
      validateNonReservedPath(item.path, `${path}[${i}].path`, findings)
    }
    validateMode(item.mode, `${path}[${i}].mode`, findings)
  }
}

/** The API server names the whole downwardAPI, not the item. */
function validateDownwardFile(
  file: DownwardAPIVolumeFile,
  path: string,
  findings: FindingList,
): void {
  if (file.path === '') {
    findings.reject(`${path}.path`, required())
  } else {
    validateNonReservedPath(file.path, `${path}.path`, findings)
  }
  if (file.fieldRef !== undefined) {
    validateFieldRef(
      file.fieldRef,
      `${path}.fieldRef`,
      volumeFieldPaths,
      findings,
    )
    if (file.resourceFieldRef !== undefined) {
      findings.reject(
        path,
        invalid(
          'resource',
          'fieldRef and resourceFieldRef can not be specified simultaneously',
        ),
      )
    }
  } else if (file.resourceFieldRef !== undefined) {
    validateResourceFieldRef(
      file.resourceFieldRef,
      `${path}.resourceFieldRef`,
      true,
      findings,
    )
  } else {
    findings.reject(
      path,
      required('one of fieldRef and resourceFieldRef is required'),
    )
  }
  validateMode(file.mode, `${path}.mode`, findings)
}

const projections = [
  'secret',
  'configMap',
  'downwardAPI',
  'serviceAccountToken',
] as const

/**
 * Explicit paths must differ as written; not compared are keys without items, the token's
 * path, and `a` with `a/b` (specification, 3.8).
 */
function validateProjected(
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
  for (const kind of present.slice(1)) {
    findings.reject(
      `${path}.${kind}`,
      forbidden('may not specify more than 1 volume type'),
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
