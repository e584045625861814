import { nearest } from '../../util/edit-distance.ts'
import type { FindingList } from '../decode/finding-list.ts'
import { forbidden, invalid, notFound, unsupported } from '../field-errors.ts'
import { validateDescendingPath } from './paths.ts'
import type { ContainerFields, VolumeMountFields } from './unvalidated-pod.ts'

/**
 * Source: ValidateVolumeMounts. The API server finds only volumes that are valid themselves,
 * and names the list where a subPath, or how to mount, is wrong.
 */
export function validateMounts(
  container: ContainerFields,
  path: string,
  volumes: ReadonlySet<string>,
  findings: FindingList,
): void {
  const mountPaths = new Set<string>()
  for (const [i, mount] of container.volumeMounts.entries()) {
    const at = `${path}[${i}]`
    const { name = '', mountPath = '', subPath, subPathExpr } = mount
    if (!volumes.has(name)) {
      const meant = nearest(name, volumes)
      findings.reject(
        `${at}.name`,
        notFound(name),
        meant === undefined ? undefined : `did you mean ${meant}?`,
      )
    }
    if (mountPaths.has(mountPath)) {
      findings.reject(`${at}.mountPath`, invalid(mountPath, 'must be unique'))
    }
    mountPaths.add(mountPath)
    if (subPath !== undefined) {
      validateDescendingPath(subPath, `${path}.subPath`, findings)
    }
    if (subPathExpr !== undefined) {
      if (subPath !== undefined) {
        findings.reject(
          `${at}.subPathExpr`,
          invalid(
            subPathExpr,
            'subPathExpr and subPath are mutually exclusive',
          ),
        )
      }
      validateDescendingPath(subPathExpr, `${path}.subPathExpr`, findings)
    }
    validatePropagation(mount, container, path, findings)
    validateRecursiveReadOnly(mount, path, findings)
  }
}

const propagations = ['Bidirectional', 'HostToContainer', 'None']

function validatePropagation(
  mount: VolumeMountFields,
  container: ContainerFields,
  path: string,
  findings: FindingList,
): void {
  const propagation = mount.mountPropagation
  if (propagation === undefined) return
  if (!propagations.includes(propagation)) {
    findings.reject(
      `${path}.mountPropagation`,
      unsupported(propagation, propagations),
    )
  }
  if (
    propagation === 'Bidirectional' &&
    container.securityContext?.privileged !== true
  ) {
    findings.reject(
      `${path}.mountPropagation`,
      forbidden(
        'Bidirectional mount propagation is available only to privileged containers',
      ),
    )
  }
}

const recursiveReadOnlyModes = ['Disabled', 'Enabled', 'IfPossible']

function validateRecursiveReadOnly(
  mount: VolumeMountFields,
  path: string,
  findings: FindingList,
): void {
  const { recursiveReadOnly: mode, mountPropagation = 'None' } = mount
  if (mode === undefined || mode === 'Disabled') return
  const at = `${path}.recursiveReadOnly`
  if (!recursiveReadOnlyModes.includes(mode)) {
    findings.reject(at, unsupported(mode, recursiveReadOnlyModes))
    return
  }
  if (!mount.readOnly) {
    findings.reject(
      at,
      forbidden('may only be specified when readOnly is true'),
    )
  }
  if (mountPropagation !== 'None') {
    findings.reject(
      at,
      forbidden(
        'may only be specified when mountPropagation is None or not specified',
      ),
    )
  }
}
