import type { FindingList } from '../decode/finding-list.ts'
import {
  duplicate,
  forbidden,
  invalid,
  notFound,
  unsupported,
} from '../field-errors.ts'
import type { Container, EnvVar, PodSpec, VolumeMount } from '../types.ts'
import { validateLifecycle } from './lifecycle.ts'
import { dns1123Label, validEnvName } from './names.ts'
import { validateDescendingPath } from './paths.ts'
import {
  envFieldPaths,
  validateFieldRef,
  validateResourceFieldRef,
} from './references.ts'
import { validateIds } from './security.ts'
import { validateResources } from './resources.ts'

const sidecarsOnly =
  'may not be set for init containers without restartPolicy=Always'

/** Source: pkg/apis/core/validation/validation.go, validateContainers and below. */
export function validateContainers(spec: PodSpec, findings: FindingList): void {
  const names = new Set<string>()
  const volumes = new Set(spec.volumes.map(volume => volume.name))
  const lists = {
    containers: spec.containers,
    initContainers: spec.initContainers,
  }
  for (const [list, containers] of Object.entries(lists)) {
    for (const [i, container] of (containers ?? []).entries()) {
      const path = `spec.${list}[${i}]`
      validateName(container.name, path, names, findings)
      validateEnv(container.env, path, findings)
      validateEnvFrom(container, path, findings)
      validateMounts(container.volumeMounts, path, volumes, findings)
      validateResources(container.resources, `${path}.resources`, findings)
      validateIds(
        container.securityContext,
        `${path}.securityContext`,
        findings,
      )
      validateLifecycle(
        container.lifecycle,
        `${path}.lifecycle`,
        spec.terminationGracePeriodSeconds,
        findings,
      )
      if (list === 'containers') {
        if (container.restartPolicy !== undefined) {
          findings.reject(
            `${path}.restartPolicy`,
            forbidden('may not be set for non-init containers'),
          )
        }
      } else {
        validateInit(container, path, findings)
      }
    }
  }
}

function validateName(
  name: string | undefined,
  path: string,
  names: Set<string>,
  findings: FindingList,
): void {
  if (name === undefined) return
  for (const problem of dns1123Label(name)) {
    findings.reject(`${path}.name`, invalid(name, problem))
  }
  if (names.has(name)) findings.reject(`${path}.name`, duplicate(name))
  names.add(name)
}

/** A plain init container ends before anything could be probed or stopped. */
function validateInit(
  container: Container,
  path: string,
  findings: FindingList,
): void {
  const { restartPolicy } = container
  if (restartPolicy === 'Always') return
  if (restartPolicy !== undefined) {
    findings.reject(
      `${path}.restartPolicy`,
      unsupported(restartPolicy, ['Always']),
    )
  }
  for (const field of [
    'lifecycle',
    'livenessProbe',
    'readinessProbe',
    'startupProbe',
  ]) {
    if (Object.hasOwn(container, field)) {
      findings.reject(`${path}.${field}`, forbidden(sidecarsOnly))
    }
  }
}

function validateEnv(
  env: readonly EnvVar[],
  containerPath: string,
  findings: FindingList,
): void {
  for (const [i, variable] of env.entries()) {
    const path = `${containerPath}.env[${i}]`
    for (const problem of validEnvName(variable.name ?? '')) {
      findings.reject(`${path}.name`, invalid(variable.name, problem))
    }
    const { value = '', valueFrom } = variable
    if (valueFrom === undefined) continue
    const from = `${path}.valueFrom`
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
    if (valueFrom.fieldRef !== undefined) {
      const valid = envFieldPaths
      validateFieldRef(valueFrom.fieldRef, `${from}.fieldRef`, valid, findings)
    }
    if (valueFrom.resourceFieldRef !== undefined) {
      validateResourceFieldRef(
        valueFrom.resourceFieldRef,
        `${from}.resourceFieldRef`,
        false,
        findings,
      )
    }
  }
}

/** The API server names the list, not the entry, when the number of sources is wrong. */
function validateEnvFrom(
  container: Container,
  containerPath: string,
  findings: FindingList,
): void {
  const path = `${containerPath}.envFrom`
  for (const [i, source] of container.envFrom.entries()) {
    for (const problem of validEnvName(source.prefix)) {
      findings.reject(`${path}[${i}].prefix`, invalid(source.prefix, problem))
    }
    const { configMapRef, secretRef } = source
    if (configMapRef === undefined && secretRef === undefined) {
      findings.reject(
        path,
        invalid('', 'must specify one of: `configMapRef` or `secretRef`'),
      )
    } else if (configMapRef !== undefined && secretRef !== undefined) {
      findings.reject(
        path,
        invalid('', 'may not have more than one field specified at a time'),
      )
    }
  }
}

function validateMounts(
  mounts: readonly VolumeMount[],
  containerPath: string,
  volumes: ReadonlySet<string>,
  findings: FindingList,
): void {
  const mountPaths = new Set<string>()
  for (const [i, mount] of mounts.entries()) {
    const path = `${containerPath}.volumeMounts[${i}]`
    if (mount.name !== undefined && !volumes.has(mount.name)) {
      findings.reject(`${path}.name`, notFound(mount.name))
    }
    if (mount.mountPath !== undefined) {
      if (mountPaths.has(mount.mountPath)) {
        findings.reject(
          `${path}.mountPath`,
          invalid(mount.mountPath, 'must be unique'),
        )
      }
      mountPaths.add(mount.mountPath)
    }
    const { subPath, subPathExpr } = mount
    if (subPath !== undefined) {
      validateDescendingPath(subPath, `${path}.subPath`, findings)
    }
    if (subPathExpr !== undefined) {
      if (subPath !== undefined) {
        findings.reject(
          `${path}.subPathExpr`,
          invalid(
            subPathExpr,
            'subPathExpr and subPath are mutually exclusive',
          ),
        )
      }
      validateDescendingPath(subPathExpr, `${path}.subPathExpr`, findings)
    }
  }
}
