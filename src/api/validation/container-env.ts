import { nearest } from '../../util/edit-distance.ts'
import type { FindingList } from '../decode/finding-list.ts'
import { invalid, notFound } from '../field-errors.ts'
import type {
  EnvFromSource,
  EnvVar,
  FileKeySelector,
  KeySelector,
} from '../types.ts'
import {
  dns1123Label,
  dns1123Subdomain,
  validConfigKey,
  validEnvName,
} from './names.ts'
import { containersOf, type PodFields } from './unvalidated-pod.ts'
import {
  envFieldPaths,
  validateFieldRef,
  validateResourceFieldRef,
} from './references.ts'

/** Source: ValidateEnv. */
export function validateEnv(
  env: readonly EnvVar[],
  path: string,
  findings: FindingList,
): void {
  for (const [i, variable] of env.entries()) {
    const { name, value = '', valueFrom } = variable
    if (name !== undefined) {
      findings.rejectEach(`${path}[${i}].name`, validEnvName(name), problem =>
        invalid(name, problem),
      )
    }
    if (valueFrom === undefined) continue
    const from = `${path}[${i}].valueFrom`
    validateSource(valueFrom, from, findings)
    const given = Object.keys(valueFrom).length
    if (given === 0) {
      findings.reject(
        from,
        invalid(
          '',
          'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
        ),
      )
    } else if (value !== '') {
      findings.reject(
        from,
        invalid('', 'may not be specified when `value` is not empty'),
      )
    } else if (given > 1) {
      findings.reject(
        from,
        invalid('', 'may not have more than one field specified at a time'),
      )
    }
  }
}

function validateSource(
  from: NonNullable<EnvVar['valueFrom']>,
  path: string,
  findings: FindingList,
): void {
  const { fieldRef, resourceFieldRef, fileKeyRef } = from
  if (fieldRef !== undefined) {
    validateFieldRef(fieldRef, `${path}.fieldRef`, envFieldPaths, findings)
  }
  if (resourceFieldRef !== undefined) {
    validateResourceFieldRef(
      resourceFieldRef,
      `${path}.resourceFieldRef`,
      false,
      findings,
    )
  }
  for (const kind of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const selector = from[kind]
    if (selector === undefined) continue
    validateKeySelector(selector, `${path}.${kind}`, findings)
  }
  if (fileKeyRef !== undefined)
    validateFileKeySelector(fileKeyRef, `${path}.fileKeyRef`, findings)
}

function validateKeySelector(
  selector: KeySelector,
  path: string,
  findings: FindingList,
): void {
  const { name, key } = selector
  findings.rejectEach(`${path}.name`, dns1123Subdomain(name), problem =>
    invalid(name, problem),
  )
  if (key === undefined) return
  findings.rejectEach(`${path}.key`, validConfigKey(key), problem =>
    invalid(key, problem),
  )
}

function validateFileKeySelector(
  { volumeName, path: file, key }: FileKeySelector,
  path: string,
  findings: FindingList,
): void {
  if (key !== undefined)
    findings.rejectEach(`${path}.key`, validEnvName(key), problem =>
      invalid(key, problem),
    )
  if (volumeName !== undefined)
    findings.rejectEach(
      `${path}.volumeName`,
      dns1123Label(volumeName),
      problem => invalid(volumeName, problem),
    )
  if (file?.split('/').includes('..'))
    findings.reject(`${path}.path`, invalid(file, "must not contain '..'"))
}

/** Source: validateFileKeyRefVolumes. */
export function validateFileKeyVolumes(
  spec: PodFields,
  findings: FindingList,
): void {
  const volumes = new Map(spec.volumes.map(volume => [volume.name, volume]))
  for (const [path, { env }] of containersOf(spec))
    for (const [i, { valueFrom }] of env.entries()) {
      if (valueFrom?.fileKeyRef === undefined) continue
      const name = valueFrom.fileKeyRef.volumeName ?? ''
      const at = `${path}.env[${i}].valueFrom.fileKeyRef.volumeName`
      const volume = volumes.get(name)
      if (volume === undefined) {
        const meant = nearest(name, volumes.keys())
        findings.reject(
          at,
          notFound(name),
          meant === undefined ? undefined : `did you mean ${meant}?`,
        )
      } else if (volume.emptyDir === undefined) {
        findings.reject(
          at,
          invalid(name, 'referenced volume must be of type emptyDir'),
        )
      }
    }
}

/** The API server names the list, not the entry, when the number of sources is wrong. */
export function validateEnvFrom(
  sources: readonly EnvFromSource[],
  path: string,
  findings: FindingList,
): void {
  for (const [i, source] of sources.entries()) {
    findings.rejectEach(
      `${path}[${i}].prefix`,
      validEnvName(source.prefix),
      problem => invalid(source.prefix, problem),
    )
    const kinds = (['configMapRef', 'secretRef'] as const).filter(
      kind => source[kind] !== undefined,
    )
    for (const kind of kinds) {
      const name = source[kind]?.name
      if (name === undefined) continue
      // The API server takes it for a prefix: a dash at the end is let through.
      findings.rejectEach(
        `${path}[${i}].${kind}.name`,
        dns1123Subdomain(name.replace(/.-$/s, 'a')),
        problem => invalid(name, problem),
      )
    }
    if (kinds.length === 0) {
      findings.reject(
        path,
        invalid('', 'must specify one of: `configMapRef` or `secretRef`'),
      )
    } else if (kinds.length > 1) {
      findings.reject(
        path,
        invalid('', 'may not have more than one field specified at a time'),
      )
    }
  }
}
