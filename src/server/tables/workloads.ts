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
import { ageOf, orNone, type Column, type TableFormat } from './table.ts'

/*
 * The columns of workloads and Services, from pkg/printers/internalversion/printers.go of
 * v1.34.
 */

const ofContainers: readonly Column[] = [
  { name: 'Containers', priority: 1 },
  { name: 'Images', priority: 1 },
]
const ofPods: readonly Column[] = [
  ...ofContainers,
  { name: 'Selector', priority: 1 },
]

function ageCell(object: JsonObject, now: number): string {
  return ageOf(part(object, 'metadata')['creationTimestamp'], now)
}

/** layoutContainerCells. */
function containerCells(spec: JsonObject): readonly string[] {
  const containers = items(part(part(spec, 'template'), 'spec'), 'containers')
  const all = (key: string): string =>
    containers.map(container => text(container[key])).join(',')
  return [all('name'), all('image')]
}

function number(value: Json | undefined): number {
  return Number(value ?? 0)
}

export const deploymentTable: TableFormat = {
  columns: [
    { name: 'Name' },
    { name: 'Ready' },
    { name: 'Up-to-date', type: 'integer' },
    { name: 'Available', type: 'integer' },
    { name: 'Age' },
    ...ofPods,
  ],
  cells: (deployment, now) => {
    const spec = part(deployment, 'spec')
    const status = part(deployment, 'status')
    return [
      nameOf(deployment),
      `${number(status['readyReplicas'])}/${number(spec['replicas'])}`,
      number(status['updatedReplicas']),
      number(status['availableReplicas']),
      ageCell(deployment, now),
      ...containerCells(spec),
      formatLabelSelector(part(spec, 'selector')),
    ]
  },
}

export const statefulSetTable: TableFormat = {
  columns: [
    { name: 'Name' },
    { name: 'Ready' },
    { name: 'Age' },
    ...ofContainers,
  ],
  cells: (set, now) => {
    const spec = part(set, 'spec')
    const { readyReplicas } = part(set, 'status')
    return [
      nameOf(set),
      `${number(readyReplicas)}/${number(spec['replicas'])}`,
      ageCell(set, now),
      ...containerCells(spec),
    ]
  },
}

export const daemonSetTable: TableFormat = {
  columns: [
    { name: 'Name' },
    { name: 'Desired', type: 'integer' },
    { name: 'Current', type: 'integer' },
    { name: 'Ready', type: 'integer' },
    { name: 'Up-to-date', type: 'integer' },
    { name: 'Available', type: 'integer' },
    { name: 'Node Selector' },
    { name: 'Age' },
    ...ofPods,
  ],
  cells: (set, now) => {
    const spec = part(set, 'spec')
    const status = part(set, 'status')
    const template = part(part(spec, 'template'), 'spec')
    return [
      nameOf(set),
      number(status['desiredNumberScheduled']),
      number(status['currentNumberScheduled']),
      number(status['numberReady']),
      number(status['updatedNumberScheduled']),
      number(status['numberAvailable']),
      formatLabels(part(template, 'nodeSelector')),
      ageCell(set, now),
      ...containerCells(spec),
      formatLabelSelector(part(spec, 'selector')),
    ]
  },
}

function replicasTable(
  selector: (selector: JsonObject) => string,
): TableFormat {
  return {
    columns: [
      { name: 'Name' },
      { name: 'Desired', type: 'integer' },
      { name: 'Current', type: 'integer' },
      { name: 'Ready', type: 'integer' },
      { name: 'Age' },
      ...ofPods,
    ],
    cells: (set, now) => {
      const spec = part(set, 'spec')
      const status = part(set, 'status')
      return [
        nameOf(set),
        number(spec['replicas']),
        number(status['replicas']),
        number(status['readyReplicas']),
        ageCell(set, now),
        ...containerCells(spec),
        selector(part(spec, 'selector')),
      ]
    },
  }
}

export const replicaSetTable = replicasTable(formatLabelSelector)
export const replicationControllerTable = replicasTable(formatLabels)

export const jobTable: TableFormat = {
  columns: [
    { name: 'Name' },
    { name: 'Status' },
    { name: 'Completions' },
    { name: 'Duration' },
    { name: 'Age' },
    ...ofPods,
  ],
  cells: (job, now) => {
    const spec = part(job, 'spec')
    const { startTime, completionTime } = part(job, 'status')
    const duration =
      startTime === undefined
        ? ''
        : humanDuration(
            (completionTime === undefined
              ? now
              : Date.parse(text(completionTime))) - Date.parse(text(startTime)),
          )
    return [
      nameOf(job),
      jobState(job),
      completionsOf(job),
      duration,
      ageCell(job, now),
      ...containerCells(spec),
      formatLabelSelector(part(spec, 'selector')),
    ]
  },
}

function jobState(job: JsonObject): string {
  const conditions = items(part(job, 'status'), 'conditions')
  for (const type of ['Complete', 'Failed', 'Suspended'])
    if (conditions.some(each => each['type'] === type)) return type
  return 'Running'
}

function completionsOf(job: JsonObject): string {
  const { completions, parallelism } = part(job, 'spec')
  const succeeded = number(part(job, 'status')['succeeded'])
  if (completions !== undefined) return `${succeeded}/${text(completions)}`
  return number(parallelism) > 1
    ? `${succeeded}/1 of ${text(parallelism)}`
    : `${succeeded}/1`
}

export const cronJobTable: TableFormat = {
  columns: [
    { name: 'Name' },
    { name: 'Schedule' },
    { name: 'Timezone' },
    { name: 'Suspend' },
    { name: 'Active', type: 'integer' },
    { name: 'Last Schedule' },
    { name: 'Age' },
    ...ofPods,
  ],
  cells: (job, now) => {
    const spec = part(job, 'spec')
    const { active, lastScheduleTime } = part(job, 'status')
    const ofJob = part(part(spec, 'jobTemplate'), 'spec')
    return [
      nameOf(job),
      text(spec['schedule']),
      orNone(text(spec['timeZone'])),
      spec['suspend'] === true ? 'True' : 'False',
      ((active ?? []) as readonly Json[]).length,
      lastScheduleTime === undefined ? '<none>' : ageOf(lastScheduleTime, now),
      ageCell(job, now),
      ...containerCells(ofJob),
      formatLabelSelector(part(ofJob, 'selector')),
    ]
  },
}

export const serviceTable: TableFormat = {
  columns: [
    { name: 'Name' },
    { name: 'Type' },
    { name: 'Cluster-IP' },
    { name: 'External-IP' },
    { name: 'Port(s)' },
    { name: 'Age' },
    { name: 'Selector', priority: 1 },
  ],
  cells: (service, now) => {
    const spec = part(service, 'spec')
    const ports = items(spec, 'ports').map(({ port, nodePort, protocol }) =>
      number(nodePort) > 0
        ? `${text(port)}:${text(nodePort)}/${text(protocol)}`
        : `${text(port)}/${text(protocol)}`,
    )
    return [
      nameOf(service),
      text(spec['type']),
      orNone(text(spec['clusterIP'])),
      externalAddress(spec),
      orNone(ports.join(',')),
      ageCell(service, now),
      formatLabels(part(spec, 'selector')),
    ]
  },
}

/** getServiceExternalIP: no Service of podfs has a load balancer. */
function externalAddress(spec: JsonObject): string {
  const addresses = ((spec['externalIPs'] ?? []) as readonly string[]).join(',')
  const { type } = spec
  if (type === 'ExternalName') return text(spec['externalName'])
  return type === 'LoadBalancer' && addresses === ''
    ? '<pending>'
    : orNone(addresses)
}
