import { selectorMatches, type LabelSelector } from '../api/label-selector.ts'
import { kindWords } from '../api/kind-words.ts'
import { workloadKinds } from '../api/schema/workloads.ts'
import type { Pod, WorkloadKind } from '../api/types.ts'
import type { Store } from '../store/store.ts'
import { Failure } from '../util/failure.ts'

/** Which Pods of the input are meant. */
export type PodChoice =
  /** The only one there is. */
  | { readonly kind: 'only' }
  /** `web`, `pod/web`, `deployment/web`, ... */
  | { readonly kind: 'named'; readonly names: readonly string[] }
  | { readonly kind: 'all' }
  | {
      readonly kind: 'selected'
      readonly selector: LabelSelector
      /** As it was typed. */
      readonly text: string
    }

/** Of the kinds that can be run. */
const words = kindWords(['Pod', ...workloadKinds])

interface PodReference {
  /** Absent: a Pod, or else any workload. */
  readonly kind?: WorkloadKind | 'Pod'
  readonly name: string
}

/**
 * `NAME` or `KIND/NAME`, the kind as kubectl takes it (`deploy`, `Deployment`,
 * `deployments.apps`); undefined for what is neither.
 */
export function parsePodReference(text: string): PodReference | undefined {
  const parts = text.split('/')
  const [first = '', name] = parts
  if (name === undefined) return { name: first }
  const word = first.toLowerCase().replace(/\.(apps|batch)$/, '')
  const kind = words.get(word)
  return kind === undefined || name === '' || parts.length > 2
    ? undefined
    : { kind, name }
}

/** Whether the Pod belongs to a choice that new Pods may join. */
export function isChosen(choice: PodChoice, pod: Pod): boolean {
  switch (choice.kind) {
    case 'all':
      return true
    case 'selected':
      return selectorMatches(choice.selector, pod.metadata.labels)
    case 'only':
    case 'named':
  }
  return false
}

/** Its time is its schedule's: many at once are chosen without it. */
export function isCronJobsPod({ workload }: Pod): boolean {
  return workload?.kind === 'CronJob'
}

/** As one that is to begin later: many at once are chosen without it. */
export function isSuspendedJob({ workload }: Pod): boolean {
  return workload?.kind === 'Job' && workload.job?.suspend === true
}

/** It runs when it is named, not when many are chosen at once. */
export function needsName(pod: Pod): boolean {
  return isCronJobsPod(pod) || isSuspendedJob(pod)
}

/** What a choice makes podfs run. */
export interface PodsToRun {
  /** At least one. */
  readonly pods: readonly Pod[]
  /** CronJobs and suspended Jobs that the choice has and that nobody has named. */
  readonly leftOut: readonly Pod[]
}

/**
 * The Pods to run. A choice of many has no CronJob but those of `cronJobs`, which name them.
 * Throws a usage Failure that lists what there is.
 */
export function choosePodsToRun(
  store: Store,
  namespace: string,
  choice: PodChoice,
  cronJobs: readonly string[],
): PodsToRun {
  const chosen = choosePods(store, namespace, choice)
  if (choice.kind === 'only' || choice.kind === 'named')
    return { pods: chosen, leftOut: [] }
  const named =
    cronJobs.length === 0
      ? []
      : choosePods(store, namespace, { kind: 'named', names: cronJobs })
  const pods = chosen.filter(pod => !needsName(pod))
  const leftOut = chosen.filter(pod => needsName(pod) && !named.includes(pod))
  if (pods.length + named.length > 0)
    return { pods: [...pods, ...named], leftOut }
  const what = leftOut.every(isCronJobsPod) ? 'CronJobs' : 'Jobs that wait'
  throw new Failure('usage', `there are only ${what}`, {
    fix: `name one of them, to run it at once: ${leftOut.map(nameOfJob).join(', ')}`,
  })
}

/** As it is to be typed. */
export function nameOfJob({ workload }: Pod): string {
  return `${workload?.kind.toLowerCase()}/${workload?.name}`
}

/** At least one. Throws a usage Failure that lists what there is. */
export function choosePods(
  store: Store,
  namespace: string,
  choice: PodChoice,
): readonly Pod[] {
  const pods = store.list('Pod')
  if (pods.length === 0)
    throw new Failure('usage', 'there is no Pod in the input')
  switch (choice.kind) {
    case 'all':
      return pods
    case 'selected': {
      const chosen = pods.filter(pod => isChosen(choice, pod))
      if (chosen.length > 0) return chosen
      throw new Failure('usage', `no Pod matches -l '${choice.text}'`, {
        fix: thereAre(pods, namespace),
      })
    }
    case 'named': {
      const chosen = choice.names.map(name => namedPod(pods, namespace, name))
      return [...new Set(chosen)]
    }
    case 'only':
  }
  const [only, ...others] = pods
  if (only !== undefined && others.length === 0) return [only]
  throw new Failure('usage', `there are ${pods.length} Pods in the input`, {
    fix: `name one of them: ${namesOf(pods, namespace)}`,
  })
}

/** The one Pod that is meant. Throws a usage Failure where there are several. */
export function choosePod(
  store: Store,
  namespace: string,
  choice: PodChoice,
): Pod {
  const pods = choosePods(store, namespace, choice)
  const [pod] = pods
  if (pod === undefined) throw new Error('choosePods chose nothing')
  if (pods.length === 1) return pod
  throw new Failure('usage', `there are ${pods.length} such Pods`, {
    fix: `name one of them: ${namesOf(pods, namespace)}`,
  })
}

function namedPod(pods: readonly Pod[], namespace: string, text: string): Pod {
  const reference = parsePodReference(text)
  if (reference === undefined)
    throw new Failure('usage', `"${text}" is no Pod's name`, {
      fix: 'NAME, or KIND/NAME with a kind that has a Pod, such as deployment/web',
    })
  const { kind, name } = reference
  const here = pods.filter(({ metadata }) => metadata.namespace === namespace)
  const exact =
    kind === undefined || kind === 'Pod'
      ? here.find(({ metadata }) => metadata.name === name)
      : undefined
  if (exact !== undefined) return exact
  const [found, ...others] = here.filter(
    ({ workload }) =>
      workload?.name === name && (kind === undefined || workload.kind === kind),
  )
  if (found === undefined) {
    const what =
      kind === undefined
        ? `Pod ${namespace}/${name}`
        : `${kind} ${namespace}/${name}`
    throw new Failure('usage', `no ${what}`, { fix: thereAre(pods, namespace) })
  }
  if (others.length > 0)
    throw new Failure('usage', `several workloads are named ${name}`, {
      fix: `name one of them: ${[found, ...others]
        .map(({ workload }) => `${workload?.kind.toLowerCase()}/${name}`)
        .join(', ')}`,
    })
  return found
}

function thereAre(pods: readonly Pod[], namespace: string): string {
  return `there ${pods.length === 1 ? 'is' : 'are'}: ${namesOf(pods, namespace)}`
}

/** As they are to be typed. */
function namesOf(pods: readonly Pod[], namespace: string): string {
  return pods
    .map(({ metadata }) =>
      metadata.namespace === namespace
        ? metadata.name
        : `${metadata.name} (-n ${metadata.namespace})`,
    )
    .join(', ')
}
