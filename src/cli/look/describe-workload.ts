import { formatLabelSelector, formatLabels } from '../../api/format-selector.ts'
import {
  items,
  nameOf,
  part,
  text,
  type Json,
  type JsonObject,
} from '../../api/json.ts'
import { humanDuration } from '../../util/human-duration.ts'
import {
  describeAnnotations,
  describeEvents,
  describeHead,
  describeLabels,
  formatRfc1123,
  given,
  orNone,
  type Surroundings,
} from './describe-parts.ts'
import { describePodTemplate } from './describe-pod.ts'

/*
 * Workloads, as kubectl's pkg/describe/describe.go describes them.
 */

function number(value: Json | undefined): number {
  return Number(value ?? 0)
}

function creation(object: JsonObject): string {
  const { creationTimestamp } = part(object, 'metadata')
  return `CreationTimestamp:\t${formatRfc1123(creationTimestamp)}`
}

function selectorOf(spec: JsonObject): string {
  return `Selector:\t${formatLabelSelector(part(spec, 'selector'))}`
}

function describeTemplate(spec: JsonObject): string[] {
  return ['Pod Template:', ...describePodTemplate(part(spec, 'template'))]
}

export function describeDeployment(
  deployment: JsonObject,
  { events, now }: Surroundings,
): readonly string[] {
  const spec = part(deployment, 'spec')
  const status = part(deployment, 'status')
  const { type, rollingUpdate } = part(spec, 'strategy')
  const { maxUnavailable, maxSurge } = (rollingUpdate ?? {}) as JsonObject
  const counts = [
    `${number(spec['replicas'])} desired`,
    `${number(status['updatedReplicas'])} updated`,
    `${number(status['replicas'])} total`,
    `${number(status['availableReplicas'])} available`,
    `${number(status['unavailableReplicas'])} unavailable`,
  ]
  return [
    ...describeHead(deployment, [creation(deployment)]),
    selectorOf(spec),
    `Replicas:\t${counts.join(' | ')}`,
    `StrategyType:\t${text(type)}`,
    `MinReadySeconds:\t${number(spec['minReadySeconds'])}`,
    ...(rollingUpdate === undefined
      ? []
      : [
          `RollingUpdateStrategy:\t${text(maxUnavailable)} max unavailable, ${text(maxSurge)} max surge`,
        ]),
    ...describeTemplate(spec),
    ...describeConditions(items(status, 'conditions')),
    ...describeEvents(events, now),
  ]
}

function describeConditions(conditions: readonly JsonObject[]): string[] {
  return [
    'Conditions:',
    '  Type\tStatus\tReason',
    '  ----\t------\t------',
    ...conditions.map(
      ({ type, status, reason }) =>
        `  ${text(type)} \t${text(status)}\t${text(reason)}`,
    ),
  ]
}

/** Of the Pods that say that they are its own (getPodStatusForController). */
function podsStatus(
  { metadata }: JsonObject,
  pods: readonly JsonObject[],
): string {
  const { uid } = metadata as JsonObject
  const own = pods.filter(pod =>
    items(part(pod, 'metadata'), 'ownerReferences').some(
      owner => owner['uid'] === uid,
    ),
  )
  const count = (phase: string): number =>
    own.filter(pod => part(pod, 'status')['phase'] === phase).length
  return `Pods Status:\t${count('Running')} Running / ${count('Pending')} Waiting / ${count('Succeeded')} Succeeded / ${count('Failed')} Failed`
}

export function describeStatefulSet(
  set: JsonObject,
  { events, pods, now }: Surroundings,
): readonly string[] {
  const spec = part(set, 'spec')
  const { replicas } = part(set, 'status')
  const { type, rollingUpdate } = part(spec, 'updateStrategy')
  const { partition } = (rollingUpdate ?? {}) as JsonObject
  return [
    ...describeHead(set, [creation(set), selectorOf(spec)]),
    `Replicas:\t${number(spec['replicas'])} desired | ${number(replicas)} total`,
    `Update Strategy:\t${text(type)}`,
    ...given('  Partition', partition),
    podsStatus(set, pods),
    ...describeTemplate(spec),
    ...describeClaims(items(spec, 'volumeClaimTemplates')),
    ...describeEvents(events, now),
  ]
}

function describeClaims(templates: readonly JsonObject[]): string[] {
  if (templates.length === 0) return ['Volume Claims:\t<none>']
  return [
    'Volume Claims:',
    ...templates.flatMap(claim => {
      const metadata = part(claim, 'metadata')
      const spec = part(claim, 'spec')
      const requests = part(part(spec, 'resources'), 'requests')
      const modes = (spec['accessModes'] ?? []) as readonly string[]
      return [
        `  Name:\t${nameOf(claim)}`,
        `  StorageClass:\t${text(spec['storageClassName'])}`,
        ...describeLabels('  Labels', part(metadata, 'labels')),
        ...describeAnnotations(part(metadata, 'annotations')).map(
          line => `  ${line}`,
        ),
        `  Capacity:\t${text(requests['storage']) || '<default>'}`,
        `  Access Modes:\t[${modes.join(' ')}]`,
      ]
    }),
  ]
}

export function describeDaemonSet(
  set: JsonObject,
  { events, pods, now }: Surroundings,
): readonly string[] {
  const metadata = part(set, 'metadata')
  const spec = part(set, 'spec')
  const status = part(set, 'status')
  const template = part(part(spec, 'template'), 'spec')
  const line = (what: string, key: string): string =>
    `${what}: ${number(status[key])}`
  return [
    `Name:\t${nameOf(set)}`,
    selectorOf(spec),
    `Node-Selector:\t${formatLabels(part(template, 'nodeSelector'))}`,
    ...describeLabels('Labels', part(metadata, 'labels')),
    ...describeAnnotations(part(metadata, 'annotations')),
    line('Desired Number of Nodes Scheduled', 'desiredNumberScheduled'),
    line('Current Number of Nodes Scheduled', 'currentNumberScheduled'),
    line(
      'Number of Nodes Scheduled with Up-to-date Pods',
      'updatedNumberScheduled',
    ),
    line('Number of Nodes Scheduled with Available Pods', 'numberAvailable'),
    line('Number of Nodes Misscheduled', 'numberMisscheduled'),
    podsStatus(set, pods),
    ...describeTemplate(spec),
    ...describeEvents(events, now),
  ]
}

/** Also of a ReplicationController, whose selector is a map. */
export function describeReplicaSet(
  set: JsonObject,
  { events, pods, now }: Surroundings,
): readonly string[] {
  const spec = part(set, 'spec')
  const { replicas } = part(set, 'status')
  const selector = part(spec, 'selector')
  const isController = set['kind'] === 'ReplicationController'
  return [
    ...describeHead(set, [
      isController ? `Selector:\t${formatLabels(selector)}` : selectorOf(spec),
    ]),
    `Replicas:\t${number(replicas)} current / ${number(spec['replicas'])} desired`,
    podsStatus(set, pods),
    ...describeTemplate(spec),
    ...describeEvents(events, now),
  ]
}

export function describeJob(
  job: JsonObject,
  { events, now }: Surroundings,
): readonly string[] {
  const spec = part(job, 'spec')
  const status = part(job, 'status')
  const { startTime, completionTime, active, ready } = status
  const isDone = startTime !== undefined && completionTime !== undefined
  const { activeDeadlineSeconds: deadline } = spec
  return [
    ...describeHead(job, [selectorOf(spec)]),
    ...given('Parallelism', spec['parallelism']),
    `Completions:\t${text(spec['completions'] ?? '<unset>')}`,
    ...given('Completion Mode', spec['completionMode']),
    ...given('Suspend', spec['suspend']),
    ...given('Backoff Limit', spec['backoffLimit']),
    ...given('TTL Seconds After Finished', spec['ttlSecondsAfterFinished']),
    ...(startTime === undefined
      ? []
      : [`Start Time:\t${formatRfc1123(startTime)}`]),
    ...(completionTime === undefined
      ? []
      : [`Completed At:\t${formatRfc1123(completionTime)}`]),
    ...(isDone
      ? [
          `Duration:\t${humanDuration(Date.parse(text(completionTime)) - Date.parse(text(startTime)))}`,
        ]
      : []),
    ...(deadline === undefined
      ? []
      : [`Active Deadline Seconds:\t${text(deadline)}s`]),
    `Pods Statuses:\t${number(active)} Active${ready === undefined ? '' : ` (${number(ready)} Ready)`} / ${number(status['succeeded'])} Succeeded / ${number(status['failed'])} Failed`,
    ...describeTemplate(spec),
    ...describeEvents(events, now),
  ]
}

export function describeCronJob(
  job: JsonObject,
  { events, now }: Surroundings,
): readonly string[] {
  const spec = part(job, 'spec')
  const { lastScheduleTime, active = [] } = part(job, 'status')
  const ofJob = part(part(spec, 'jobTemplate'), 'spec')
  const {
    startingDeadlineSeconds: starting,
    successfulJobsHistoryLimit,
    failedJobsHistoryLimit,
  } = spec
  const { selector, activeDeadlineSeconds: deadline } = ofJob
  const names = (active as readonly JsonObject[]).map(({ name }) => text(name))
  const orUnset = (value: Json | undefined, unit = ''): string =>
    value === undefined ? '<unset>' : `${text(value)}${unit}`
  return [
    ...describeHead(job),
    `Schedule:\t${text(spec['schedule'])}`,
    `Concurrency Policy:\t${text(spec['concurrencyPolicy'])}`,
    `Suspend:\t${spec['suspend'] === true ? 'True' : 'False'}`,
    `Successful Job History Limit:\t${orUnset(successfulJobsHistoryLimit)}`,
    `Failed Job History Limit:\t${orUnset(failedJobsHistoryLimit)}`,
    `Starting Deadline Seconds:\t${orUnset(starting, 's')}`,
    `Selector:\t${selector === undefined ? '<unset>' : formatLabelSelector(part(ofJob, 'selector'))}`,
    `Parallelism:\t${orUnset(ofJob['parallelism'])}`,
    `Completions:\t${orUnset(ofJob['completions'])}`,
    ...(deadline === undefined
      ? []
      : [`Active Deadline Seconds:\t${text(deadline)}s`]),
    ...describeTemplate(ofJob),
    `Last Schedule Time:\t${lastScheduleTime === undefined ? '<unset>' : formatRfc1123(lastScheduleTime)}`,
    `Active Jobs:\t${names.length === 0 ? '<none>' : names.join(', ')}`,
    ...describeEvents(events, now),
  ]
}

export function describeService(
  service: JsonObject,
  { events, now }: Surroundings,
): readonly string[] {
  const spec = part(service, 'spec')
  const endpoints = (part(service, 'status')['endpoints'] ??
    []) as readonly string[]
  const list = (key: string): string =>
    ((spec[key] ?? []) as readonly string[]).join(',')
  return [
    ...describeHead(service),
    ...describeLabels('Selector', part(spec, 'selector')),
    `Type:\t${text(spec['type'])}`,
    ...given('IP Family Policy', spec['ipFamilyPolicy']),
    `IP Families:\t${orNone(list('ipFamilies'))}`,
    `IP:\t${text(spec['clusterIP'])}`,
    `IPs:\t${orNone(list('clusterIPs'))}`,
    ...(spec['externalIPs'] === undefined
      ? []
      : [`External IPs:\t${list('externalIPs')}`]),
    ...given('Desired LoadBalancer IP', spec['loadBalancerIP']),
    ...given('External Name', spec['externalName']),
    ...items(spec, 'ports').flatMap((port, i) =>
      describeServicePort(port, endpoints[i] ?? ''),
    ),
    ...given('Session Affinity', spec['sessionAffinity']),
    ...given('External Traffic Policy', spec['externalTrafficPolicy']),
    ...given('Internal Traffic Policy', spec['internalTrafficPolicy']),
    ...given('HealthCheck NodePort', spec['healthCheckNodePort']),
    ...describeEvents(events, now),
  ]
}

function describeServicePort(port: JsonObject, endpoints: string): string[] {
  const name = text(port['name']) || '<unset>'
  const protocol = text(port['protocol'])
  return [
    `Port:\t${name}\t${text(port['port'])}/${protocol}`,
    `TargetPort:\t${text(port['targetPort'])}/${protocol}`,
    ...(port['nodePort'] === undefined
      ? []
      : [`NodePort:\t${name}\t${text(port['nodePort'])}/${protocol}`]),
    `Endpoints:\t${orNone(endpoints)}`,
  ]
}
