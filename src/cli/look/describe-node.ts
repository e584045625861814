import { items, nameOf, part, text, type JsonObject } from '../../api/json.ts'
import {
  formatQuantity,
  type Nanos,
  parseQuantity,
  quantityMilliValue,
  quantityValue,
} from '../../api/quantity.ts'
import { humanDuration } from '../../util/human-duration.ts'
import {
  describeAnnotations,
  describeEvents,
  describeLabels,
  formatRfc1123,
  type Surroundings,
} from './describe-parts.ts'

/** describeNode of kubectl's pkg/describe/describe.go; the one node has no lease. */
export function describeNode(
  node: JsonObject,
  { pods, events, now }: Surroundings,
): readonly string[] {
  const metadata = part(node, 'metadata')
  const status = part(node, 'status')
  const info = part(status, 'nodeInfo')
  const running = pods.filter(
    pod =>
      !['Succeeded', 'Failed'].includes(text(part(pod, 'status')['phase'])),
  )
  return [
    `Name:\t${nameOf(node)}`,
    'Roles:\t<none>',
    ...describeLabels('Labels', part(metadata, 'labels')),
    ...describeAnnotations(part(metadata, 'annotations')),
    `CreationTimestamp:\t${formatRfc1123(metadata['creationTimestamp'])}`,
    'Taints:\t<none>',
    'Unschedulable:\tfalse',
    'Conditions:',
    '  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage',
    '  ----\t------\t-----------------\t------------------\t------\t-------',
    ...items(status, 'conditions').map(
      condition =>
        `  ${text(condition['type'])} \t${text(condition['status'])} \t${formatRfc1123(condition['lastHeartbeatTime'])} \t${formatRfc1123(condition['lastTransitionTime'])} \t${text(condition['reason'])} \t${text(condition['message'])}`,
    ),
    'Addresses:',
    ...items(status, 'addresses').map(
      ({ type, address }) => `  ${text(type)}:\t${text(address)}`,
    ),
    ...describeAmounts('Capacity', part(status, 'capacity')),
    ...describeAmounts('Allocatable', part(status, 'allocatable')),
    'System Info:',
    ...[
      ['Machine ID', 'machineID'],
      ['System UUID', 'systemUUID'],
      ['Boot ID', 'bootID'],
      ['Kernel Version', 'kernelVersion'],
      ['OS Image', 'osImage'],
      ['Operating System', 'operatingSystem'],
      ['Architecture', 'architecture'],
      ['Container Runtime Version', 'containerRuntimeVersion'],
      ['Kubelet Version', 'kubeletVersion'],
      ['Kube-Proxy Version', 'kubeProxyVersion'],
    ].map(([title, key = '']) => `  ${title}:\t${text(info[key])}`),
    ...describePods(running, part(status, 'allocatable'), now),
    ...describeEvents(events, now),
  ]
}

function describeAmounts(title: string, amounts: JsonObject): string[] {
  const names = Object.keys(amounts).sort()
  return [
    `${title}:`,
    ...names.map(name => `  ${name}:\t${text(amounts[name])}`),
  ]
}

/** describeNodeResource. */
function describePods(
  pods: readonly JsonObject[],
  allocatable: JsonObject,
  now: number,
): string[] {
  const total = { requests: new Amounts(), limits: new Amounts() }
  const rows = pods.map(pod => {
    const requests = amountsOf(pod, 'requests')
    const limits = amountsOf(pod, 'limits')
    total.requests.add(requests)
    total.limits.add(limits)
    const { namespace, creationTimestamp } = part(pod, 'metadata')
    const age =
      typeof creationTimestamp === 'string'
        ? humanDuration(now - Date.parse(creationTimestamp))
        : '<unknown>'
    const cells = ['cpu', 'memory'].flatMap(name => [
      requests.share(name, allocatable),
      limits.share(name, allocatable),
    ])
    return `  ${text(namespace)}\t${nameOf(pod)}\t\t${cells.join('\t')}\t${age}`
  })
  const hugePages = Object.keys(allocatable)
    .filter(name => name.startsWith('hugepages-'))
    .sort()
  return [
    `Non-terminated Pods:\t(${pods.length} in total)`,
    '  Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge',
    '  ---------\t----\t\t------------\t----------\t---------------\t-------------\t---',
    ...rows,
    'Allocated resources:',
    '  (Total limits may be over 100 percent, i.e., overcommitted.)',
    '  Resource\tRequests\tLimits',
    '  --------\t--------\t------',
    ...['cpu', 'memory', 'ephemeral-storage', ...hugePages].map(
      name =>
        `  ${name}\t${total.requests.share(name, allocatable)}\t${total.limits.share(name, allocatable)}`,
    ),
  ]
}

interface Amount {
  readonly nanos: Nanos
  /** A quantity with its kind of suffix. */
  readonly like: string
}

/** A ResourceList that can be added up. */
class Amounts {
  readonly #amounts: Map<string, Amount>

  constructor(amounts: Iterable<readonly [string, Amount]> = []) {
    this.#amounts = new Map(amounts)
  }

  static of(list: JsonObject): Amounts {
    return new Amounts(
      Object.entries(list).map(([name, quantity]) => {
        const like = text(quantity)
        return [name, { nanos: parseQuantity(like) ?? 0n, like }]
      }),
    )
  }

  add(other: Amounts): void {
    for (const [name, amount] of other.#amounts) {
      const { nanos, like } = this.#amounts.get(name) ?? amount
      const sum = this.#amounts.has(name) ? nanos + amount.nanos : nanos
      this.#amounts.set(name, {
        nanos: sum,
        like: nanos === 0n ? amount.like : like,
      })
    }
  }

  raiseTo(other: Amounts): void {
    for (const [name, amount] of other.#amounts)
      if (amount.nanos > this.#nanosOf(name)) this.#amounts.set(name, amount)
  }

  /** What another one has something of. */
  within(other: Amounts): Amounts {
    return new Amounts(
      [...this.#amounts].filter(([name]) => other.#nanosOf(name) !== 0n),
    )
  }

  /** `250m (12%)` */
  share(name: string, allocatable: JsonObject): string {
    const nanos = this.#nanosOf(name)
    const { like = '' } = this.#amounts.get(name) ?? {}
    const all = parseQuantity(text(allocatable[name])) ?? 0n
    const value = name === 'cpu' ? quantityMilliValue : quantityValue
    const percent = all === 0n ? 0n : (value(nanos) * 100n) / value(all)
    return `${formatQuantity(nanos, like)} (${percent}%)`
  }

  #nanosOf(name: string): Nanos {
    return this.#amounts.get(name)?.nanos ?? 0n
  }
}

/** PodRequestsAndLimits of kubectl's pkg/util/resource. */
function amountsOf(pod: JsonObject, which: 'requests' | 'limits'): Amounts {
  const spec = part(pod, 'spec')
  const of = (container: JsonObject): Amounts =>
    Amounts.of(part(part(container, 'resources'), which))
  const sum = new Amounts()
  for (const container of items(spec, 'containers')) sum.add(of(container))
  const sidecars = new Amounts()
  const atStart = new Amounts()
  for (const container of items(spec, 'initContainers')) {
    const own = of(container)
    if (container['restartPolicy'] === 'Always') {
      sum.add(own)
      sidecars.add(own)
      atStart.raiseTo(sidecars)
    } else {
      own.add(sidecars)
      atStart.raiseTo(own)
    }
  }
  sum.raiseTo(atStart)
  const overhead = Amounts.of(part(spec, 'overhead'))
  sum.add(which === 'requests' ? overhead : overhead.within(sum))
  return sum
}
