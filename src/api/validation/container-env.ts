import type { FindingList } from '../decode/finding-list.ts'
import { invalid } from '../field-errors.ts'
import type { EnvFromSource, EnvVar, KeySelector } from '../types.ts'
import { dns1123Subdomain, validConfigKey, validEnvName } from './names.ts'
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
          'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
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
  const { fieldRef, resourceFieldRef } = from
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
