import type { FindingList } from '../decode/finding-list.ts'
import { goQuote } from '../go-quote.ts'
import {
  canonicalQuantity,
  parseQuantity,
  quantityMilliValue,
} from '../quantity.ts'
import { parseIP } from './ip.ts'
import { dns1123Label, validLabelValue } from './names.ts'
import {
  containersOf,
  type ContainerFields,
  type ContainerPortFields,
  type MetadataFields,
  type PodAffinity,
  type PodFields,
} from './unvalidated-pod.ts'
import { warnOfOverlaps } from './volume-overlaps.ts'

type Warn = (fieldPath: string, message: string) => void

/**
 * What the API server accepts with a `Warning:`, in its words.
 * Source: pkg/registry/core/pod/strategy.go and pkg/api/pod/warnings.go.
 */
export function warnOfPod(
  metadata: MetadataFields,
  spec: PodFields,
  findings: FindingList,
): void {
  const warn: Warn = (fieldPath, message) =>
    findings.add('warning', fieldPath, message)
  const problems = dns1123Label(metadata.name)
  if (problems.length > 0) {
    warn(
      'metadata.name',
      `this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [${problems.join(' ')}]`,
    )
  }
  warnOfAnnotations(metadata, spec, warn)
  warnOfScheduling(spec, warn)
  warnOfOverlaps(spec.volumes, warn)
  warnOfDuplicates(spec, warn)
  warnOfFractions(spec.overhead, 'spec.overhead', warn)
  for (const [path, container] of containersOf(spec)) {
    const { limits, requests } = container.resources
    warnOfFractions(limits, `${path}.resources.limits`, warn)
    warnOfFractions(requests, `${path}.resources.requests`, warn)
    warnOfEnv(container, path, warn)
  }
  warnOfPorts(spec, warn)
  for (const [i, nameserver] of (spec.dnsConfig?.nameservers ?? []).entries()) {
    warnOfIP(nameserver, `spec.dnsConfig.nameservers[${i}]`, warn)
  }
  for (const [i, { ip }] of spec.hostAliases.entries()) {
    warnOfIP(ip, `spec.hostAliases[${i}].ip`, warn)
  }
}

// Stryker disable ArrayDeclaration,StringLiteral: a test would repeat it
const deadAnnotations: ReadonlyMap<string, string> = new Map([
  [
    'scheduler.alpha.kubernetes.io/critical-pod',
    'non-functional in v1.16+; use the "priorityClassName" field instead',
  ],
  [
    'security.alpha.kubernetes.io/sysctls',
    'non-functional in v1.11+; use the "sysctls" field instead',
  ],
  [
    'security.alpha.kubernetes.io/unsafe-sysctls',
    'non-functional in v1.11+; use the "sysctls" field instead',
  ],
])
// Stryker restore ArrayDeclaration,StringLiteral
const useSeccompProfile =
  'non-functional in v1.27+; use the "seccompProfile" field instead'

function warnOfAnnotations(
  { annotations }: MetadataFields,
  spec: PodFields,
  warn: Warn,
): void {
  for (const [key, message] of deadAnnotations) {
    if (annotations.has(key)) warn(`metadata.annotations[${key}]`, message)
  }
  const seccomp: (readonly [string, unknown])[] = [
    [
      'seccomp.security.alpha.kubernetes.io/pod',
      spec.securityContext.seccompProfile,
    ],
    ...containersOf(spec).map(
      ([, container]) =>
        [
          `container.seccomp.security.alpha.kubernetes.io/${container.name}`,
          container.securityContext?.seccompProfile,
        ] as const,
    ),
  ]
  for (const [key, field] of seccomp) {
    if (field === undefined && annotations.has(key)) {
      warn(`metadata.annotations[${key}]`, useSeccompProfile)
    }
  }
}

// Stryker disable ArrayDeclaration,StringLiteral: a test would repeat it
const deprecatedNodeLabels: ReadonlyMap<string, string> = new Map([
  [
    'beta.kubernetes.io/arch',
    'deprecated since v1.14; use "kubernetes.io/arch" instead',
  ],
  [
    'beta.kubernetes.io/os',
    'deprecated since v1.14; use "kubernetes.io/os" instead',
  ],
  [
    'failure-domain.beta.kubernetes.io/region',
    'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  ],
  [
    'failure-domain.beta.kubernetes.io/zone',
    'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  ],
  [
    'beta.kubernetes.io/instance-type',
    'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  ],
  ['app.kubernetes.io/created-by', 'deprecated since v1.9'],
  [
    'scheduler.alpha.kubernetes.io/preferAvoidPods',
    'deprecated since v1.22; use Taints and Tolerations instead',
  ],
  [
    'node-role.kubernetes.io/master',
    'use "node-role.kubernetes.io/control-plane" instead',
  ],
])
// Stryker restore ArrayDeclaration,StringLiteral
const matchesNoPod = 'a null labelSelector results in matching no pod'

function warnOfScheduling(spec: PodFields, warn: Warn): void {
  for (const key of spec.nodeSelector?.keys() ?? []) {
    const message = deprecatedNodeLabels.get(key)
    if (message !== undefined) warn(`spec.nodeSelector[${key}]`, message)
  }
  const { nodeAffinity, podAffinity, podAntiAffinity } = spec.affinity ?? {}
  const path = 'spec.affinity.nodeAffinity'
  const terms = [
    ...(
      nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
        ?.nodeSelectorTerms ?? []
    ).map((term, i) => ({
      term,
      at: `${path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${i}]`,
      checkValues: false,
    })),
    ...(
      nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    ).map(({ preference }, i) => ({
      term: preference ?? {},
      at: `${path}.preferredDuringSchedulingIgnoredDuringExecution[${i}].preference`,
      checkValues: true,
    })),
  ]
  for (const { term, at, checkValues } of terms) {
    for (const [i, requirement] of (term.matchExpressions ?? []).entries()) {
      const { key = '', values = [] } = requirement
      warnOfLabel(key, `${at}.matchExpressions[${i}].key`, warn)
      for (const [j, value] of (checkValues ? values : []).entries()) {
        for (const problem of validLabelValue(value)) {
          warn(
            `${at}.matchExpressions[${i}].values[${j}]`,
            `${value} is invalid, ${problem}`,
          )
        }
      }
    }
  }
  for (const [i, constraint] of (
    spec.topologySpreadConstraints ?? []
  ).entries()) {
    const at = `spec.topologySpreadConstraints[${i}]`
    warnOfLabel(constraint.topologyKey ?? '', `${at}.topologyKey`, warn)
    if (constraint.labelSelector === undefined) {
      warn(`${at}.labelSelector`, matchesNoPod)
    }
  }
  warnOfPodAffinity(podAffinity, 'spec.affinity.podAffinity', warn)
  warnOfPodAffinity(podAntiAffinity, 'spec.affinity.podAntiAffinity', warn)
}

function warnOfLabel(key: string, path: string, warn: Warn): void {
  const message = deprecatedNodeLabels.get(key)
  if (message !== undefined) warn(path, `${key} is ${message}`)
}

function warnOfPodAffinity(
  affinity: PodAffinity | undefined,
  path: string,
  warn: Warn,
): void {
  const { requiredDuringSchedulingIgnoredDuringExecution: required = [] } =
    affinity ?? {}
  const { preferredDuringSchedulingIgnoredDuringExecution: preferred = [] } =
    affinity ?? {}
  for (const [i, term] of required.entries()) {
    if (term.labelSelector !== undefined) continue
    warn(
      `${path}.requiredDuringSchedulingIgnoredDuringExecution[${i}].labelSelector`,
      matchesNoPod,
    )
  }
  for (const [i, { podAffinityTerm }] of preferred.entries()) {
    if (podAffinityTerm?.labelSelector !== undefined) continue
    warn(
      `${path}.preferredDuringSchedulingIgnoredDuringExecution[${i}].podAffinityTerm.labelSelector`,
      matchesNoPod,
    )
  }
}

function warnOfDuplicates(spec: PodFields, warn: Warn): void {
  const ips = new Set<string>()
  for (const [i, { ip }] of spec.hostAliases.entries()) {
    if (ips.has(ip)) {
      warn(`spec.hostAliases[${i}].ip`, `duplicate ip ${goQuote(ip)}`)
    }
    ips.add(ip)
  }
  const names = new Set<string>()
  for (const [i, { name = '' }] of (spec.imagePullSecrets ?? []).entries()) {
    const at = `spec.imagePullSecrets[${i}].name`
    if (names.has(name)) warn(at, `duplicate name ${goQuote(name)}`)
    names.add(name)
    if (name === '') warn(at, 'invalid empty name ""')
  }
}

function warnOfFractions(
  resources: ReadonlyMap<string, string> | undefined,
  path: string,
  warn: Warn,
): void {
  for (const name of ['memory', 'ephemeral-storage']) {
    const quantity = resources?.get(name)
    if (quantity === undefined) continue
    if (quantityMilliValue(parseQuantity(quantity) ?? 0n) % 1000n === 0n) {
      continue
    }
    warn(
      `${path}[${name}]`,
      `fractional byte value ${goQuote(canonicalQuantity(quantity))} is invalid, must be an integer`,
    )
  }
}

/** Only a value that is made from the one before may stand a second time. */
function warnOfEnv(container: ContainerFields, path: string, warn: Warn): void {
  const names = new Set<string>()
  for (const [i, { name, value = '', valueFrom }] of container.env.entries()) {
    const reference = `$(${name})`
    const extends_ = value.includes(reference) && value !== reference
    if (names.has(name) && (valueFrom !== undefined || !extends_)) {
      warn(
        `${path}.env[${i}]`,
        `hides previous definition of ${goQuote(name)}, which may be dropped when using apply`,
      )
    }
    names.add(name)
  }
}

function warnOfPorts(spec: PodFields, warn: Warn): void {
  const byPort = new Map<
    string,
    { path: string; port: ContainerPortFields }[]
  >()
  const byName = new Map<string, string>()
  for (const [containerPath, container] of containersOf(spec)) {
    for (const [i, port] of (container.ports ?? []).entries()) {
      const path = `${containerPath}.ports[${i}]`
      const { hostIP = '', hostPort = 0, name } = port
      if (hostIP !== '' && hostPort === 0) {
        warn(path, `hostIP set without hostPort: ${goStruct(port)}`)
      }
      const key = `${port.containerPort}/${port.protocol}`
      const others = byPort.get(key) ?? []
      for (const other of others) {
        const words = conflict(port, other.port)
        if (words !== undefined) {
          warn(path, `${words} port definition with ${other.path}`)
        }
      }
      byPort.set(key, [...others, { path, port }])
      if (name === undefined) continue
      const first = byName.get(name)
      if (first === undefined) byName.set(name, path)
      else {
        warn(
          path,
          `duplicate port name ${goQuote(name)} with ${first}, services and probes that select ports by name will use ${first}`,
        )
      }
    }
  }
}

/** What is wrong with two ports of the same number and protocol. */
function conflict(
  a: ContainerPortFields,
  b: ContainerPortFields,
): string | undefined {
  const { hostIP: ip = '', hostPort = 0 } = a
  const { hostIP: otherIP = '', hostPort: otherPort = 0 } = b
  if (ip === otherIP && hostPort === otherPort) return 'duplicate'
  if (hostPort === 0 || otherPort === 0) return 'overlapping'
  return hostPort === otherPort && (ip === '') !== (otherIP === '')
    ? 'dangerously ambiguous'
    : undefined
}

/** Go's %+v of the struct. */
function goStruct(port: ContainerPortFields): string {
  return `{Name:${port.name ?? ''} HostPort:${port.hostPort ?? 0} ContainerPort:${port.containerPort ?? 0} Protocol:${port.protocol} HostIP:${port.hostIP ?? ''}}`
}

function warnOfIP(ip: string, path: string, warn: Warn): void {
  const canonical = parseIP(ip)
  if (canonical === undefined || canonical === ip) return
  warn(
    path,
    canonical.includes(':')
      ? `IPv6 address ${goQuote(ip)} should be in RFC 5952 canonical format (${goQuote(canonical)})`
      : `non-standard IP address ${goQuote(ip)} will be considered invalid in a future Kubernetes release: use ${goQuote(canonical)}`,
  )
}
