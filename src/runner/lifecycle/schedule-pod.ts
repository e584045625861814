import { requirementsOf, selectorMatches } from '../../api/label-selector.ts'
import { amountIn, podRequests } from '../../api/pod-resources.ts'
import type {
  NodeInfo,
  NodeSelectorTerm,
  Pod,
  PodSpec,
  Requirement,
  Taint,
  Toleration,
} from '../../api/types.ts'

/** Why a Pod is not on this node: the reason and the message of its condition PodScheduled. */
export interface Unscheduled {
  readonly reason: 'SchedulingGated' | 'Unschedulable'
  readonly message: string
}

/**
 * What the scheduler of a cluster whose only node is this one says of a Pod; undefined: it runs
 * here. The plugins are looked at in its order, and the first that refuses is the one that is told
 * of (pkg/scheduler/framework, FitError; messages of v1.34, recorded). Of requests only the Pod's own
 * count, not what other Pods have of the node.
 */
export function schedulePod(
  { spec }: Pod,
  node: NodeInfo,
): Unscheduled | undefined {
  if ((spec.schedulingGates ?? []).length > 0)
    return {
      reason: 'SchedulingGated',
      message: 'Scheduling is blocked due to non-empty scheduling gates',
    }
  const why =
    whyNotNamed(spec, node) ??
    whyNotTolerated(spec, node) ??
    whyNotSelected(spec, node) ??
    whyNotFitting(spec, node)
  if (why === undefined) return undefined
  return {
    reason: 'Unschedulable',
    message: `0/1 nodes are available: ${why}. ${noPreemption}`,
  }
}

/** Nothing of this can be mended by ending other Pods. */
const noPreemption =
  'no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.'

/** Required terms that all name nodes (PreFilter of NodeAffinity): none of them, or not this one. */
function whyNotNamed(spec: PodSpec, node: NodeInfo): string | undefined {
  const terms = requiredTerms(spec)
  if (terms === undefined || terms.length === 0) return undefined
  const names = terms.map(namesIn)
  if (names.includes(undefined)) return undefined
  const all = names.flatMap(each => each ?? [])
  if (all.length === 0) return 'pod affinity terms conflict'
  return all.includes(node.name)
    ? undefined
    : "1 node(s) didn't satisfy plugin(s) [NodeAffinity]"
}

/** Undefined: the term names no node. */
function namesIn({
  matchFields = [],
}: NodeSelectorTerm): readonly string[] | undefined {
  const lists = matchFields
    .filter(({ key, operator }) => key === nameField && operator === 'In')
    .map(({ values = [] }) => values)
  const [first, ...others] = lists
  return first?.filter(name => others.every(list => list.includes(name)))
}

const nameField = 'metadata.name'

/** The API server adds these to each Pod (DefaultTolerationSeconds). */
const defaultTolerations: readonly Toleration[] = [
  'node.kubernetes.io/not-ready',
  'node.kubernetes.io/unreachable',
].map(key => ({ key, operator: 'Exists', effect: 'NoExecute' }))

function whyNotTolerated(spec: PodSpec, node: NodeInfo): string | undefined {
  const tolerations = [...(spec.tolerations ?? []), ...defaultTolerations]
  const taint = node.taints.find(
    taint =>
      taint.effect !== 'PreferNoSchedule' &&
      !tolerations.some(toleration => tolerates(toleration, taint)),
  )
  return taint === undefined
    ? undefined
    : `1 node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`
}

/** ToleratesTaint, staging/src/k8s.io/api/core/v1/toleration.go. */
function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { key = '', operator = '', value = '', effect = '' } = toleration
  if (effect !== '' && effect !== taint.effect) return false
  if (key !== '' && key !== taint.key) return false
  return operator === 'Exists' || value === (taint.value ?? '')
}

function whyNotSelected(spec: PodSpec, node: NodeInfo): string | undefined {
  const { nodeSelector = new Map() } = spec
  const terms = requiredTerms(spec)
  const isSelected =
    selectorMatches(
      requirementsOf({ matchLabels: nodeSelector }),
      node.labels,
    ) &&
    (terms === undefined || terms.some(term => termMatches(term, node)))
  return isSelected
    ? undefined
    : "1 node(s) didn't match Pod's node affinity/selector"
}

/** A term that asks for nothing matches nothing. */
function termMatches(
  { matchExpressions = [], matchFields = [] }: NodeSelectorTerm,
  node: NodeInfo,
): boolean {
  const matches = (
    requirements: readonly Requirement[],
    labels: ReadonlyMap<string, string>,
  ): boolean =>
    selectorMatches(requirementsOf({ matchExpressions: requirements }), labels)
  return (
    matchExpressions.length + matchFields.length > 0 &&
    matches(matchExpressions, node.labels) &&
    matches(matchFields, new Map([[nameField, node.name]]))
  )
}

function requiredTerms({
  affinity,
}: PodSpec): readonly NodeSelectorTerm[] | undefined {
  return affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
    ?.nodeSelectorTerms
}

function whyNotFitting(spec: PodSpec, node: NodeInfo): string | undefined {
  const lacking = [...podRequests(spec)]
    .filter(
      ([resource, amount]) => amount > amountIn(node.allocatable, resource),
    )
    .map(([resource]) => `1 Insufficient ${resource}`)
    .sort()
  return lacking.length === 0 ? undefined : lacking.join(', ')
}
