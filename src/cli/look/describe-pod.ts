import {
  items,
  part,
  text,
  type Json,
  type JsonObject,
} from '../../api/json.ts'
import { divideRoundingUp, parseQuantity } from '../../api/quantity.ts'
import type { ProjectionKind, VolumeKind } from '../../api/types.ts'
import { humanDuration } from '../../util/human-duration.ts'
import {
  type Surroundings,
  describeAnnotations,
  describeEvents,
  describeLabels,
  formatRfc1123,
  given,
  orNone,
} from './describe-parts.ts'

/** describePod of kubectl's pkg/describe/describe.go. */
export function describePod(
  pod: JsonObject,
  { events, now }: Surroundings,
): readonly string[] {
  const metadata = part(pod, 'metadata')
  const spec = part(pod, 'spec')
  const status = part(pod, 'status')
  const containers = (title: string, key: string, statusKey: string) =>
    describeContainers(title, items(spec, key), items(status, statusKey), pod)
  return [
    `Name:\t${text(metadata['name'])}`,
    `Namespace:\t${text(metadata['namespace'])}`,
    ...given('Priority', spec['priority']),
    ...given('Priority Class Name', spec['priorityClassName']),
    ...given('Runtime Class Name', spec['runtimeClassName']),
    ...given('Service Account', spec['serviceAccountName']),
    `Node:\t${spec['nodeName'] === undefined ? '<none>' : `${text(spec['nodeName'])}/${text(status['hostIP'])}`}`,
    ...(status['startTime'] === undefined
      ? []
      : [`Start Time:\t${formatRfc1123(status['startTime'])}`]),
    ...describeLabels('Labels', part(metadata, 'labels')),
    ...describeAnnotations(part(metadata, 'annotations')),
    ...describePhase(metadata, status, now),
    ...given('Reason', status['reason']),
    ...given('Message', status['message']),
    `IP:\t${text(status['podIP'])}`,
    ...describeIPs(items(status, 'podIPs')),
    ...items(metadata, 'ownerReferences')
      .filter(({ controller }) => controller === true)
      .map(({ kind, name }) => `Controlled By:\t${text(kind)}/${text(name)}`),
    ...(spec['resources'] === undefined
      ? []
      : [
          'Resources:',
          ...describeResources(part(spec, 'resources')).map(
            line => `  ${line}`,
          ),
        ]),
    ...(items(spec, 'initContainers').length === 0
      ? []
      : containers(
          'Init Containers',
          'initContainers',
          'initContainerStatuses',
        )),
    ...containers('Containers', 'containers', 'containerStatuses'),
    ...(items(spec, 'ephemeralContainers').length === 0
      ? []
      : containers(
          'Ephemeral Containers',
          'ephemeralContainers',
          'ephemeralContainerStatuses',
        )),
    ...describeReadinessGates(
      items(spec, 'readinessGates'),
      items(status, 'conditions'),
    ),
    ...describeConditions(items(status, 'conditions')),
    ...describeVolumes(items(spec, 'volumes')),
    `QoS Class:\t${text(status['qosClass'])}`,
    ...describeLabels('Node-Selectors', part(spec, 'nodeSelector')),
    ...describeTolerations(items(spec, 'tolerations')),
    ...describeEvents(events, now),
  ]
}

/** The template of a workload, indented: describePodTemplate. */
export function describePodTemplate(template: JsonObject): readonly string[] {
  const metadata = part(template, 'metadata')
  const spec = part(template, 'spec')
  const annotations = part(metadata, 'annotations')
  const containers = (title: string, key: string): string[] =>
    describeContainers(title, items(spec, key), [], template).map(closer)
  return [
    ...describeLabels('Labels', part(metadata, 'labels')),
    ...(Object.keys(annotations).length === 0
      ? []
      : describeAnnotations(annotations)),
    ...given('Service Account', spec['serviceAccountName']),
    ...(items(spec, 'initContainers').length === 0
      ? []
      : containers('Init Containers', 'initContainers')),
    ...containers('Containers', 'containers'),
    ...describeVolumes(items(spec, 'volumes')).map(closer),
    ...given('Priority Class Name', spec['priorityClassName']),
    ...describeLabels('Node-Selectors', part(spec, 'nodeSelector')),
    ...describeTolerations(items(spec, 'tolerations')),
  ].map(line => `  ${line}`)
}

/** In a template what is inside stands less far in. */
function closer(line: string): string {
  const inside = /^ {4}(.*)$/s.exec(line)?.[1]
  return inside === undefined ? line.replace(/^ {2}/, ' ') : `  ${inside}`
}

function describePhase(
  metadata: JsonObject,
  status: JsonObject,
  now: number,
): string[] {
  const phase = text(status['phase'])
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata
  if (
    typeof deletionTimestamp !== 'string' ||
    phase === 'Failed' ||
    phase === 'Succeeded'
  )
    return [`Status:\t${phase}`]
  const since = humanDuration(now - Date.parse(deletionTimestamp))
  return [
    `Status:\tTerminating (lasts ${since})`,
    `Termination Grace Period:\t${text(deletionGracePeriodSeconds)}s`,
  ]
}

function describeIPs(podIPs: readonly JsonObject[]): string[] {
  if (podIPs.length === 0) return ['IPs:\t<none>']
  return ['IPs:', ...podIPs.map(({ ip }) => `  IP:\t${text(ip)}`)]
}

function describeReadinessGates(
  gates: readonly JsonObject[],
  conditions: readonly JsonObject[],
): string[] {
  if (gates.length === 0) return []
  return [
    'Readiness Gates:',
    '  Type\tStatus',
    ...gates.map(({ conditionType }) => {
      const found = conditions.find(({ type }) => type === conditionType)
      return `  ${text(conditionType)} \t${orNone(text(found?.['status']))} `
    }),
  ]
}

function describeConditions(conditions: readonly JsonObject[]): string[] {
  if (conditions.length === 0) return []
  return [
    'Conditions:',
    '  Type\tStatus',
    ...conditions.map(
      ({ type, status }) => `  ${text(type)} \t${text(status)} `,
    ),
  ]
}

function describeContainers(
  title: string,
  containers: readonly JsonObject[],
  statuses: readonly JsonObject[],
  pod: JsonObject,
): string[] {
  return [
    `${title}:`,
    ...containers.flatMap(container => {
      const status = statuses.find(({ name }) => name === container['name'])
      return [
        `  ${text(container['name'])}:`,
        ...[
          ...describeBasics(container, status),
          ...describeWords('Command', container['command']),
          ...describeWords('Args', container['args']),
          ...(status === undefined ? [] : describeState(status)),
          ...describeResources(part(container, 'resources')),
          ...describeProbes(container),
          ...describeEnvFrom(items(container, 'envFrom')),
          ...describeEnv(container, pod),
          ...describeMounts(items(container, 'volumeMounts')),
        ].map(line => `    ${line}`),
      ]
    }),
  ]
}

function describeBasics(
  container: JsonObject,
  status: JsonObject | undefined,
): string[] {
  const ports = items(container, 'ports')
  const list = (key: string): string =>
    ports
      .map(
        port => `${text(port[key]) || '0'}/${text(port['protocol']) || 'TCP'}`,
      )
      .join(', ')
  const line = (title: string, shown: string): string =>
    `${title}${shown.includes(',') ? 's' : ''}:\t${orNone(shown)}`
  return [
    ...(status === undefined
      ? []
      : [`Container ID:\t${text(status['containerID'])}`]),
    `Image:\t${text(container['image'])}`,
    ...(status === undefined ? [] : [`Image ID:\t${text(status['imageID'])}`]),
    line('Port', list('containerPort')),
    line('Host Port', list('hostPort')),
  ]
}

function describeWords(title: string, words: Json | undefined): string[] {
  if (!Array.isArray(words) || words.length === 0) return []
  return [
    `${title}:`,
    ...(words as readonly string[]).flatMap(word =>
      word.split('\n').map(line => `  ${line}`),
    ),
  ]
}

function describeState(status: JsonObject): string[] {
  const last = part(status, 'lastState')
  return [
    ...describeOneState('State', part(status, 'state')),
    ...(last['terminated'] === undefined
      ? []
      : describeOneState('Last State', last)),
    `Ready:\t${status['ready'] === true ? 'True' : 'False'}`,
    `Restart Count:\t${text(status['restartCount'])}`,
  ]
}

function describeOneState(title: string, state: JsonObject): string[] {
  const running = state['running'] as JsonObject | undefined
  const terminated = state['terminated'] as JsonObject | undefined
  const inner = (lines: readonly string[]): string[] =>
    lines.map(line => `  ${line}`)
  if (running !== undefined)
    return [
      `${title}:\tRunning`,
      ...inner([`Started:\t${formatRfc1123(running['startedAt'])}`]),
    ]
  if (terminated !== undefined)
    return [
      `${title}:\tTerminated`,
      ...inner([
        ...given('Reason', terminated['reason']),
        ...given('Message', terminated['message']),
        `Exit Code:\t${text(terminated['exitCode'])}`,
        `Started:\t${formatRfc1123(terminated['startedAt'])}`,
        `Finished:\t${formatRfc1123(terminated['finishedAt'])}`,
      ]),
    ]
  return [
    `${title}:\tWaiting`,
    ...inner(given('Reason', part(state, 'waiting')['reason'])),
  ]
}

function describeResources(resources: JsonObject): string[] {
  return ['limits', 'requests'].flatMap(key => {
    const list = part(resources, key)
    const names = Object.keys(list).sort()
    if (names.length === 0) return []
    return [
      key === 'limits' ? 'Limits:' : 'Requests:',
      ...names.map(name => `  ${name}:\t${text(list[name])}`),
    ]
  })
}

function describeProbes(container: JsonObject): string[] {
  return (
    [
      ['Liveness', 'livenessProbe'],
      ['Readiness', 'readinessProbe'],
      ['Startup', 'startupProbe'],
    ] as const
  ).flatMap(([title, key]) => {
    const probe = container[key] as JsonObject | undefined
    return probe === undefined ? [] : [`${title}:\t${describeProbe(probe)}`]
  })
}

function describeProbe(probe: JsonObject): string {
  const number = (key: string, absent: number): string =>
    text(probe[key] ?? absent)
  const attributes = `delay=${number('initialDelaySeconds', 0)}s timeout=${number('timeoutSeconds', 1)}s period=${number('periodSeconds', 10)}s #success=${number('successThreshold', 1)} #failure=${number('failureThreshold', 3)}`
  const { exec, httpGet, tcpSocket, grpc } = probe as Readonly<
    Record<string, JsonObject | undefined>
  >
  if (exec !== undefined)
    return `exec [${((exec['command'] ?? []) as readonly string[]).join(' ')}] ${attributes}`
  if (httpGet !== undefined) {
    const { scheme, host, port, path } = httpGet
    return `http-get ${text(scheme || 'HTTP').toLowerCase()}://${text(host)}:${text(port)}${text(path || '/')} ${attributes}`
  }
  if (tcpSocket !== undefined)
    return `tcp-socket ${text(tcpSocket['host'])}:${text(tcpSocket['port'])} ${attributes}`
  if (grpc !== undefined)
    return `grpc <pod>:${text(grpc['port'])} ${text(grpc['service'])} ${attributes}`
  return `unknown ${attributes}`
}

function describeEnvFrom(sources: readonly JsonObject[]): string[] {
  if (sources.length === 0) return []
  return [
    'Environment Variables from:',
    ...sources.map(source => {
      const isConfigMap = source['configMapRef'] !== undefined
      const reference = part(source, isConfigMap ? 'configMapRef' : 'secretRef')
      const prefix = text(source['prefix'])
      return `  ${text(reference['name'])}\t${isConfigMap ? 'ConfigMap' : 'Secret'}${prefix === '' ? '' : ` with prefix '${prefix}'`}\tOptional: ${isOptional(reference)}`
    }),
  ]
}

function describeEnv(container: JsonObject, pod: JsonObject): string[] {
  const env = items(container, 'env')
  if (env.length === 0) return ['Environment:\t<none>']
  return [
    'Environment:',
    ...env.flatMap(variable => {
      const title = `  ${text(variable['name'])}:`
      const from = variable['valueFrom'] as JsonObject | undefined
      if (from === undefined)
        return text(variable['value'])
          .split('\n')
          .map((line, i) => (i === 0 ? `${title}\t${line}` : `  \t${line}`))
      // kubectl leaves it out.
      if (from['fileKeyRef'] !== undefined) return []
      return [`${title}\t${describeValueFrom(from, container, pod)}`]
    }),
  ]
}

function describeValueFrom(
  from: JsonObject,
  container: JsonObject,
  pod: JsonObject,
): string {
  const { fieldRef, resourceFieldRef, secretKeyRef, configMapKeyRef } =
    from as Readonly<Record<string, JsonObject | undefined>>
  if (fieldRef !== undefined) {
    const fieldPath = text(fieldRef['fieldPath'])
    return `${fieldValue(pod, fieldPath)} (${text(fieldRef['apiVersion']) || 'v1'}:${fieldPath})`
  }
  if (resourceFieldRef !== undefined) {
    const resource = text(resourceFieldRef['resource'])
    const [list = '', name = ''] = resource.split(/\.(.*)/)
    const value = text(part(part(container, 'resources'), list)[name])
    const divisor = parseQuantity(text(resourceFieldRef['divisor']))
    const amount = divideRoundingUp(
      parseQuantity(value) ?? 0n,
      divisor || parseQuantity('1') || 1n,
    )
    const isNodes = amount === 0n && /^limits\.(cpu|memory)$/.test(resource)
    return `${isNodes ? 'node allocatable' : amount} (${resource})`
  }
  if (secretKeyRef !== undefined)
    return `<set to the key '${text(secretKeyRef['key'])}' in secret '${text(secretKeyRef['name'])}'>\tOptional: ${isOptional(secretKeyRef)}`
  const reference = configMapKeyRef ?? {}
  return `<set to the key '${text(reference['key'])}' of config map '${text(reference['name'])}'>\tOptional: ${isOptional(reference)}`
}

/** As far as kubectl resolves them: labels and annotations, and what stands in the object. */
function fieldValue(pod: JsonObject, fieldPath: string): string {
  const [, map, key] =
    /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(fieldPath) ?? []
  if (map !== undefined && key !== undefined)
    return text(part(part(pod, 'metadata'), map)[key])
  return text(
    fieldPath
      .split('.')
      .reduce<Json | undefined>(
        (value, step) =>
          typeof value === 'object' && value !== null
            ? (value as JsonObject)[step]
            : undefined,
        pod,
      ),
  )
}

function isOptional(reference: JsonObject): boolean {
  return reference['optional'] === true
}

function describeMounts(mounts: readonly JsonObject[]): string[] {
  if (mounts.length === 0) return ['Mounts:\t<none>']
  return [
    'Mounts:',
    ...mounts
      .toSorted((a, b) =>
        text(a['mountPath']) < text(b['mountPath']) ? -1 : 1,
      )
      .map(mount => {
        const flags = [mount['readOnly'] === true ? 'ro' : 'rw']
        if (mount['subPath'] !== undefined)
          flags.push(`path=${JSON.stringify(mount['subPath'])}`)
        return `  ${text(mount['mountPath'])} from ${text(mount['name'])} (${flags.join(',')})`
      }),
  ]
}

function describeVolumes(volumes: readonly JsonObject[]): string[] {
  if (volumes.length === 0) return ['Volumes:\t<none>']
  return [
    'Volumes:',
    ...volumes.flatMap(volume => [
      `  ${text(volume['name'])}:`,
      ...describeVolume(volume).map(line => `    ${line}`),
    ]),
  ]
}

function describeVolume(volume: JsonObject): string[] {
  return describeBy(volumeKinds, volume)
}

/** The words of the kind that the source is of; of a kind without words nothing. */
function describeBy(
  kinds: Readonly<Record<string, (source: JsonObject) => string[]>>,
  source: JsonObject,
): string[] {
  const [kind, describe] =
    Object.entries(kinds).find(([name]) => source[name] !== undefined) ?? []
  return kind === undefined ? [] : (describe?.(part(source, kind)) ?? [])
}

const volumeKinds: Readonly<
  Record<VolumeKind, (source: JsonObject) => string[]>
> = {
  hostPath: source => [
    'Type:\tHostPath (bare host directory volume)',
    `Path:\t${text(source['path'])}`,
    `HostPathType:\t${source['type'] === undefined ? '<none>' : text(source['type'])}`,
  ],
  emptyDir: source => [
    "Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)",
    `Medium:\t${text(source['medium'])}`,
    `SizeLimit:\t${text(source['sizeLimit']) || '<unset>'}`,
  ],
  secret: source => [
    'Type:\tSecret (a volume populated by a Secret)',
    `SecretName:\t${text(source['secretName'])}`,
    `Optional:\t${isOptional(source)}`,
  ],
  configMap: source => [
    'Type:\tConfigMap (a volume populated by a ConfigMap)',
    `Name:\t${text(source['name'])}`,
    `Optional:\t${isOptional(source)}`,
  ],
  persistentVolumeClaim: source => [
    'Type:\tPersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)',
    `ClaimName:\t${text(source['claimName'])}`,
    `ReadOnly:\t${text(source['readOnly'] ?? false)}`,
  ],
  downwardAPI: source => [
    'Type:\tDownwardAPI (a volume populated by information about the pod)',
    'Items:',
    ...items(source, 'items').map(item => {
      const { fieldPath } = part(item, 'fieldRef')
      const { resource } = part(item, 'resourceFieldRef')
      return `  ${text(fieldPath ?? resource)} -> ${text(item['path'])}`
    }),
  ],
  projected: source => [
    'Type:\tProjected (a volume that contains injected data from multiple sources)',
    ...items(source, 'sources').flatMap(each =>
      describeBy(projectionKinds, each),
    ),
  ],
}

const projectionKinds: Readonly<
  Record<ProjectionKind, (source: JsonObject) => string[]>
> = {
  secret: source => [
    `SecretName:\t${text(source['name'])}`,
    `SecretOptionalName:\t${optionalOf(source)}`,
  ],
  configMap: source => [
    `ConfigMapName:\t${text(source['name'])}`,
    `ConfigMapOptional:\t${optionalOf(source)}`,
  ],
  downwardAPI: () => ['DownwardAPI:\ttrue'],
  serviceAccountToken: source => [
    `TokenExpirationSeconds:\t${text(source['expirationSeconds'])}`,
  ],
  // kubectl has no words for it.
  clusterTrustBundle: () => [],
}

function optionalOf(source: JsonObject): string {
  return source['optional'] === undefined ? '<nil>' : text(source['optional'])
}

function describeTolerations(tolerations: readonly JsonObject[]): string[] {
  if (tolerations.length === 0) return ['Tolerations:\t<none>']
  return tolerations
    .map(toleration => {
      const { key, value, effect, operator, tolerationSeconds } = toleration
      const named = `${text(key)}${text(value) === '' ? '' : `=${text(value)}`}${text(effect) === '' ? '' : `:${text(effect)}`}`
      const op =
        operator === 'Exists' && text(value) === ''
          ? `${named === '' ? '' : ' '}op=Exists`
          : ''
      const seconds =
        tolerationSeconds === undefined
          ? ''
          : ` for ${text(tolerationSeconds)}s`
      return `${named}${op}${seconds}`
    })
    .map((line, i) => `${i === 0 ? 'Tolerations:' : ''}\t${line}`)
}
