import type { FindingList } from '../decode/finding-list.ts'
import { forbidden, invalid } from '../field-errors.ts'
import { goQuote } from '../go-quote.ts'
import { validateDescendingPath } from './paths.ts'
import {
  containersOf,
  type ContainerFields,
  type MetadataFields,
  type PodFields,
  type Profile,
} from './unvalidated-pod.ts'

/** Annotations that the API server reads on a Pod (ValidatePodSpecificAnnotations). */
const mirror = 'kubernetes.io/config.mirror'
const deletionCost = 'controller.kubernetes.io/pod-deletion-cost'
const seccompPod = 'seccomp.security.alpha.kubernetes.io/pod'
const seccompContainer = 'container.seccomp.security.alpha.kubernetes.io/'
const appArmorContainer = 'container.apparmor.security.beta.kubernetes.io/'

export function validatePodAnnotations(
  metadata: MetadataFields,
  spec: PodFields,
  findings: FindingList,
): void {
  const path = 'metadata.annotations'
  const names = new Set(containersOf(spec).map(([, { name }]) => name))
  for (const [key, value] of metadata.annotations) {
    const at = `${path}[${key}]`
    if (key === mirror && spec.nodeName === undefined) {
      findings.reject(
        at,
        invalid(
          value,
          'must set spec.nodeName if mirror pod annotation is set',
        ),
      )
    } else if (key === deletionCost && !isDeletionCost(value)) {
      findings.reject(at, invalid(value, 'must be a 32bit integer'))
    } else if (key === seccompPod || key.startsWith(seccompContainer)) {
      validateSeccomp(value, `${path}.${key}`, findings)
    } else if (key.startsWith(appArmorContainer)) {
      const container = key.slice(appArmorContainer.length)
      if (!names.has(container)) {
        findings.reject(at, invalid(container, 'container not found'))
      }
      if (!/^($|unconfined$|runtime\/default$|localhost\/)/.test(value)) {
        findings.reject(
          at,
          invalid(value, `invalid AppArmor profile name: ${goQuote(value)}`),
        )
      }
    }
  }
  validateAgreement(metadata, spec, findings)
}

/** No zeros or plus in front: two ways to write one cost would sort differently. */
function isDeletionCost(text: string): boolean {
  const value = Number(text)
  return (
    /^(0|-?[1-9]\d*)$/.test(text) &&
    value === Math.trunc(value) &&
    Math.abs(value + 0.5) < 2 ** 31
  )
}

function validateSeccomp(
  profile: string,
  path: string,
  findings: FindingList,
): void {
  if (/^(runtime\/default|docker\/default|unconfined)$/.test(profile)) return
  if (profile.startsWith('localhost/')) {
    validateDescendingPath(profile.slice('localhost/'.length), path, findings)
  } else {
    findings.reject(path, invalid(profile, 'must be a valid seccomp profile'))
  }
}

/** Where an annotation and the field that took its place are both given, they must agree. */
function validateAgreement(
  { annotations }: MetadataFields,
  spec: PodFields,
  findings: FindingList,
): void {
  compare(
    annotations.get(seccompPod),
    spec.securityContext.seccompProfile,
    'spec.securityContext.seccompProfile',
    'seccomp',
    findings,
  )
  for (const [path, container] of containersOf(spec)) {
    const { seccompProfile, appArmorProfile } = container.securityContext ?? {}
    compare(
      annotations.get(seccompContainer + nameOf(container)),
      seccompProfile,
      `${path}.securityContext.seccompProfile`,
      'seccomp',
      findings,
    )
    if (spec.os?.name === 'windows') continue
    compare(
      annotations.get(appArmorContainer + nameOf(container)),
      appArmorProfile ?? spec.securityContext.appArmorProfile,
      `${path}.securityContext.appArmorProfile`,
      'apparmor',
      findings,
    )
  }
}

function nameOf({ name }: ContainerFields): string {
  return name ?? ''
}

function compare(
  annotation: string | undefined,
  profile: Profile | undefined,
  path: string,
  what: 'seccomp' | 'apparmor',
  findings: FindingList,
): void {
  if (annotation === undefined || profile === undefined) return
  const { type, localhostProfile } = profile
  const local = annotation.startsWith('localhost/')
  const agrees =
    type === 'Localhost'
      ? local
      : type === 'Unconfined'
        ? annotation === 'unconfined'
        : type !== 'RuntimeDefault' ||
          annotation === 'runtime/default' ||
          (what === 'seccomp' && annotation === 'docker/default')
  if (!agrees) {
    findings.reject(
      `${path}.type`,
      forbidden(`${what} type in annotation and field must match`),
    )
  } else if (
    type === 'Localhost' &&
    annotation.slice('localhost/'.length) !== localhostProfile
  ) {
    findings.reject(
      `${path}.localhostProfile`,
      forbidden(`${what} profile in annotation and field must match`),
    )
  }
}
